//! The faults of mutants, each a plausible mistake of an adapter.

/// Lists the faults once, for the type and for the tests.
macro_rules! faults {
    ($($name:ident),* $(,)?) => {
        /// What a mutant does wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Fault { $($name),* }

        /// Every fault.
        pub(crate) const ALL_FAULTS: &[Fault] = &[$(Fault::$name),*];
    };
}

faults! {
    None,
    ForgetsTheCheckpoint,
    WritesToOneCollection,
    CommitsOneByOne,
    FirstWriteWins,
    KeepsDeleted,
    IgnoresFrom,
    ComparesPositionsOnly,
    SharesCheckpoints,
    ChecksThenWrites,
    LeavesStaleEntries,
    IgnoresIndexChanges,
    FirstIsBuilding,
    NewestIsLive,
    KeepsDroppedRows,
    PromotesAnywhere,
    ComparesPositionsOfEpochs,
    DeclaringEmpties,
    AcceptsAnyDefinition,
    UnknownIsEmpty,
    AcceptsAnyDocument,
    SplitsCommits,
    ForgetsAllOnReopening,
    ForgetsBuildingOnReopening,
    RoundsNumbers,
    DropsUndeclared,
    GetDropsMissing,
    MergesBodies,
    GetsAThousand,
    ThreeValues,
    MissingIsSmall,
    RangesIncludeTheirEnd,
    PrefixesIgnoreCase,
    ElementsIgnoreCase,
    SearchKnowsCase,
    SearchNeedsAnyWord,
    RefusesLargeFilters,
    KeysBackwards,
    MissingComesLast,
    TiesBackwardsWhenDescending,
    OrdersByOneStep,
    KeysBeforeTenants,
    PagesByOffset,
    CursorsHoldTheSize,
    CursorsForgetTheFilter,
    CursorsForgetTheOrder,
    CursorsForgetTheTenant,
    CursorsForgetTheGeneration,
    DamagedCursorsBeginAnew,
    CountsOneMore,
    CountsAllTenants,
    InvalidIsEmpty,
    ClampsPages,
    GetIgnoresTheTenant,
    QueriesAllTenants,
}
