//! Caching for ledgerstone.
