//! Handlers that read events: of a stream, of the log, of any query.

use axum::extract::State;
use axum::http::Uri;
use ledgerstone::core::{
    Direction, EventType, LogKind, OffsetTime, Position, Query, QueryItem, Revision, Selection,
    SelectionJson, Tag, TimeRange, Timestamp,
};
use ledgerstone::http::Failure;

use crate::api::answer::Answered;
use crate::api::call::Call;
use crate::api::json_body::JsonBody;
use crate::api::page::{PageRequest, answer_page, read_page};
use crate::api::parameters::{Parameters, refused};
use crate::api::path_names::StreamName;
use crate::api::point::read_position;
use crate::api::removal::check_known;
use crate::api::route::{Kind, Parameter, parameter};
use crate::api::state::Api;

const DIRECTION: Parameter =
    parameter("direction", Kind::Choice(&["forwards", "backwards"]), "oldest or newest first");
const LIMIT: Parameter =
    parameter("limit", Kind::Whole, "at most so many events; 1,000 unless given, 10,000 at most");
const TYPE: Parameter = parameter("type", Kind::Texts, "only events of any of these types");
const LOG: Parameter = parameter("log", Kind::Choice(&["application", "system"]), "which of the two counts");
const RECORDED_FROM: Parameter = parameter("recorded_from", Kind::Time, "recorded at this time or later");
const RECORDED_TO: Parameter = parameter("recorded_to", Kind::Time, "recorded before this time");
const OCCURRED_FROM: Parameter = parameter("occurred_from", Kind::Time, "happened at this time or later");
const OCCURRED_TO: Parameter = parameter("occurred_to", Kind::Time, "happened before this time");
const TAG: Parameter = parameter("tag", Kind::Texts, "only events with all of these tags");
const STREAM: Parameter = parameter("stream", Kind::Text, "only events of this stream");
const CATEGORY: Parameter = parameter("category", Kind::Text, "only events of streams of this category");
const SOURCE: Parameter = parameter("source", Kind::Text, "only events with this source");
const CORRELATION: Parameter = parameter("correlation", Kind::Text, "only events with this correlation");
const AFTER: Parameter = parameter(
    "after",
    Kind::Text,
    "only what stands after this position; as <log id>.<epoch>.<position> it must be of this log",
);
const UP_TO: Parameter = parameter("up_to", Kind::Whole, "only what stands at or before this position");

/// What `GET /v1/streams/{stream}` takes.
pub(crate) const OF_STREAM: &[Parameter] = &[
    parameter("from", Kind::Whole, "only this revision and what follows it"),
    parameter("to", Kind::Whole, "only this revision and what precedes it"),
    AFTER,
    UP_TO,
    DIRECTION,
    LIMIT,
    TYPE,
    LOG,
    RECORDED_FROM,
    RECORDED_TO,
    OCCURRED_FROM,
    OCCURRED_TO,
];

/// What `GET /v1/events` takes.
pub(crate) const OF_LOG: &[Parameter] = &[
    AFTER,
    UP_TO,
    LIMIT,
    DIRECTION,
    STREAM,
    TYPE,
    TAG,
    CATEGORY,
    SOURCE,
    CORRELATION,
    RECORDED_FROM,
    RECORDED_TO,
    OCCURRED_FROM,
    OCCURRED_TO,
    LOG,
];

/// What `GET /v1/follow` takes.
pub(crate) const FOLLOW: &[Parameter] = &[
    AFTER,
    STREAM,
    TYPE,
    TAG,
    CATEGORY,
    SOURCE,
    CORRELATION,
    RECORDED_FROM,
    RECORDED_TO,
    OCCURRED_FROM,
    OCCURRED_TO,
    LOG,
];

/// Reads the events of one stream.
pub(crate) async fn stream(
    State(api): State<Api>,
    StreamName(stream): StreamName,
    uri: Uri,
    call: Call,
) -> Answered {
    let given = Parameters::of(&uri, OF_STREAM)?;
    let from = given.number("from")?.map(Revision);
    let to = given.number("to")?.map(Revision);
    let types = types(&given)?;
    let mut selection = placed(&api, &given, &call).await?;
    selection.from_revision = from;
    selection.to_revision = to;
    // Revisions can be asked for only of a whole stream, so types are then picked from what was read.
    let by_revision = from.is_some() || to.is_some();
    let item = QueryItem {
        stream: Some(stream.clone()),
        types: if by_revision { Vec::new() } else { types.clone() },
        ..QueryItem::default()
    };
    selection.query = Query::from(item);
    let types = if by_revision { types } else { Vec::new() };
    let log = selection.log;
    let request = PageRequest { events: api.events(&call), selection, types, lines: call.lines };
    let page = read_page(&api, request).await?;
    if page.is_empty() {
        check_known(&api, &call, &stream).await?;
    }
    page.answer(call.lines, log)
}

/// Reads the log.
pub(crate) async fn log(State(api): State<Api>, uri: Uri, call: Call) -> Answered {
    let given = Parameters::of(&uri, OF_LOG)?;
    let selection = filtered(&api, &given, &call).await?;
    let events = api.events(&call);
    answer_page(&api, PageRequest { events, selection, types: Vec::new(), lines: call.lines }).await
}

/// Reads any selection.
pub(crate) async fn query(
    State(api): State<Api>,
    uri: Uri,
    call: Call,
    JsonBody(selection): JsonBody<SelectionJson>,
) -> Answered {
    Parameters::of(&uri, &[])?;
    let selection = selection.into_selection(call.scope());
    let events = api.events(&call);
    answer_page(&api, PageRequest { events, selection, types: Vec::new(), lines: call.lines }).await
}

/// Makes the selection that the parameters of the log or of a follower describe.
pub(crate) async fn filtered(api: &Api, given: &Parameters<'_>, call: &Call) -> Result<Selection, Failure> {
    let mut selection = placed(api, given, call).await?;
    selection.query = query_of(given)?;
    Ok(selection)
}

/// Makes the selection of everything between the positions and the times that were given.
async fn placed(api: &Api, given: &Parameters<'_>, call: &Call) -> Result<Selection, Failure> {
    let mut selection = bounded(given, call.scope())?;
    if let Some(after) = given.one("after")? {
        selection.after = read_position(api, "after", after).await?;
    }
    selection.up_to = given.number("up_to")?.map(Position);
    Ok(selection)
}

fn bounded(given: &Parameters<'_>, tenant: ledgerstone::core::TenantScope) -> Result<Selection, Failure> {
    let time = |name| given.read(name, parse_time);
    Ok(Selection {
        tenant,
        log: given
            .read("log", |text| match text {
                "application" => Ok(LogKind::Application),
                "system" => Ok(LogKind::System),
                _ => Err("use application or system"),
            })?
            .unwrap_or_default(),
        direction: given
            .read("direction", |text| match text {
                "forwards" => Ok(Direction::Forwards),
                "backwards" => Ok(Direction::Backwards),
                _ => Err("use forwards or backwards"),
            })?
            .unwrap_or_default(),
        limit: given.number("limit")?,
        recorded: TimeRange { from: time("recorded_from")?, to: time("recorded_to")? },
        occurred: TimeRange { from: time("occurred_from")?, to: time("occurred_to")? },
        ..Selection::default()
    })
}

fn parse_time(text: &str) -> Result<Timestamp, ledgerstone::core::InvalidName> {
    // A plus in a query reads as a space, so that an offset of +02:00 often arrives as " 02:00".
    let mended = text.rsplit_once(' ').filter(|(head, _)| head.contains('T'));
    let mended = mended.map(|(head, offset)| format!("{head}+{offset}"));
    OffsetTime::parse(mended.as_deref().unwrap_or(text), None).map(|time| time.at)
}

fn types(given: &Parameters<'_>) -> Result<Vec<EventType>, Failure> {
    let types = given.all("type").map(EventType::new);
    types.collect::<Result<_, _>>().map_err(|error| refused("type", error))
}

fn query_of(given: &Parameters<'_>) -> Result<Query, Failure> {
    let tags = given.all("tag").map(Tag::new).collect::<Result<Vec<_>, _>>();
    let mut item = QueryItem {
        stream: given.parsed("stream")?,
        types: types(given)?,
        tags: tags.map_err(|error| refused("tag", error))?,
    };
    item.tags.extend(given.read("category", Tag::category)?);
    item.tags.extend(given.read("source", Tag::source)?);
    item.tags.extend(given.read("correlation", Tag::correlation)?);
    Ok(if item.is_all() { Query::all() } else { Query::from(item) })
}
