//! Resilience for ledgerstone.
