//! The options by which commands select events.

use clap::Args;
use ledgerstone::core::{
    Direction, EventType, LogKind, Position, Query, QueryItem, Revision, Selection, StreamId, Tag,
    TenantScope, TimeRange, Timestamp,
};

use crate::failure::Failure;

/// Which events: all that every given option selects.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Which events")]
pub(super) struct SelectionArguments {
    /// Of this stream
    #[arg(long, value_name = "STREAM")]
    stream: Option<String>,
    /// Of streams of this category: the part before the first -
    #[arg(long, value_name = "CATEGORY")]
    category: Option<String>,
    /// Of this type, or of any of several
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// With this tag, or with all of several
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// From this source
    #[arg(long, value_name = "SOURCE")]
    source: Option<String>,
    /// With this correlation
    #[arg(long, value_name = "ID")]
    correlation: Option<String>,
    /// After this position
    #[arg(long, value_name = "POSITION")]
    after: Option<u64>,
    /// Up to this position
    #[arg(long, value_name = "POSITION")]
    up_to: Option<u64>,
    /// From this revision of the stream on
    #[arg(long, value_name = "REVISION", requires = "stream")]
    from_revision: Option<u64>,
    /// Up to this revision of the stream
    #[arg(long, value_name = "REVISION", requires = "stream")]
    to_revision: Option<u64>,
    /// Recorded at or after this time
    #[arg(long, value_name = "TIME")]
    recorded_from: Option<String>,
    /// Recorded before this time
    #[arg(long, value_name = "TIME")]
    recorded_to: Option<String>,
    /// Happened at or after this time
    #[arg(long, value_name = "TIME")]
    occurred_from: Option<String>,
    /// Happened before this time
    #[arg(long, value_name = "TIME")]
    occurred_to: Option<String>,
}

impl SelectionArguments {
    /// Makes the selection.
    pub(super) fn to_selection(&self, tenant: TenantScope, log: LogKind) -> Result<Selection, Failure> {
        let mut tags = self.tags.iter().map(Tag::new).collect::<Result<Vec<_>, _>>()?;
        if let Some(category) = &self.category {
            tags.push(Tag::category(category)?);
        }
        if let Some(source) = &self.source {
            tags.push(Tag::source(source)?);
        }
        if let Some(correlation) = &self.correlation {
            tags.push(Tag::correlation(correlation)?);
        }
        let item = QueryItem {
            stream: self.stream.as_ref().map(StreamId::new).transpose()?,
            types: self.types.iter().map(EventType::new).collect::<Result<_, _>>()?,
            tags,
        };
        let selection = Selection {
            tenant,
            log,
            query: if item.is_all() { Query::all() } else { Query::from(item) },
            after: Position(self.after.unwrap_or(0)),
            up_to: self.up_to.map(Position),
            from_revision: self.from_revision.map(Revision),
            to_revision: self.to_revision.map(Revision),
            recorded: span(self.recorded_from.as_deref(), self.recorded_to.as_deref())?,
            occurred: span(self.occurred_from.as_deref(), self.occurred_to.as_deref())?,
            direction: Direction::Forwards,
            limit: None,
        };
        selection.check()?;
        Ok(selection)
    }

    /// Tells whether a position to begin after was given.
    pub(super) fn has_beginning(&self) -> bool {
        self.after.is_some()
    }
}

fn span(from: Option<&str>, to: Option<&str>) -> Result<TimeRange, Failure> {
    Ok(TimeRange { from: from.map(Timestamp::parse).transpose()?, to: to.map(Timestamp::parse).transpose()? })
}
