//! DescribeLogStreams.
//! <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DescribeLogStreams.html>

use super::put_log_events::sequence_token;
use super::{DESCRIBED_MAX, invalid_token, listing_failure, page_limit, to_wire};
use crate::Inner;
use crate::chunk;
use crate::cursor::{Cursor, Reading, Window};
use crate::model::LogStream;
use crate::position::{Direction, Id, Position};
use crate::scope::Scope;
use crate::search::ActiveStreams;
use crate::table::TableError;
use hearth_api::logs::{self, DescribeLogStreamsRequest, DescribeLogStreamsResponse, OrderBy, errors};
use hearth_store::records::Listing;
use hearth_wire::Failure;
use std::collections::HashMap;

pub async fn run(
    inner: &Inner,
    scope: &Scope,
    input: DescribeLogStreamsRequest,
) -> Result<DescribeLogStreamsResponse, Failure> {
    let group_name =
        scope.group_of(input.log_group_name.as_deref(), input.log_group_identifier.as_deref())?;
    let by_time = input.order_by == Some(OrderBy::LastEventTime);
    if by_time && input.log_stream_name_prefix.is_some() {
        return Err(errors::invalid_parameter("Cannot order by LastEventTime with a logStreamNamePrefix."));
    }
    let group = inner.tables.group(scope, group_name).await?.value;
    let reader = Reader {
        inner,
        group: group.id,
        window: Window::between(group.cutoff(inner.clock.now()), u64::MAX),
        reverse: input.descending == Some(true),
        limit: page_limit(input.limit, DESCRIBED_MAX),
    };
    let page = if by_time {
        reader.by_last_event(input.next_token.as_deref()).await?
    } else {
        reader.by_name(input.log_stream_name_prefix.as_deref(), input.next_token.as_deref()).await?
    };
    let mut streams = Vec::new();
    for (name, stream) in page.streams {
        streams.push(reader.describe(scope.stream_arn(group_name, &name), (name, stream)).await?);
    }
    Ok(DescribeLogStreamsResponse { log_streams: Some(streams), next_token: page.next })
}

/// Reads the streams of a group.
struct Reader<'a> {
    inner: &'a Inner,
    group: Id,
    /// The events that have not expired.
    window: Window,
    reverse: bool,
    limit: usize,
}

#[derive(Default)]
struct Page {
    streams: Vec<(String, LogStream)>,
    next: Option<String>,
}

/// Where a stream stands when streams are ordered by their last event: those without events count as oldest.
type Rank = (u64, String);

impl Reader<'_> {
    async fn by_name(&self, prefix: Option<&str>, token: Option<&str>) -> Result<Page, Failure> {
        let listing = Listing {
            within: &[&self.group.to_string()],
            beginning: prefix.unwrap_or(""),
            limit: self.limit,
            token,
            reverse: self.reverse,
        };
        let page = self.inner.tables.streams.list(listing).await.map_err(listing_failure)?;
        let streams = page.records.into_iter();
        let streams =
            streams.map(|(mut name, record)| (name.pop().unwrap_or_default(), record.value)).collect();
        Ok(Page { streams, next: page.next })
    }

    /// Goes through the activity index from one end. A stream is given out in the bucket of its last event, and passed over in the
    /// others; those without any event come before all others, or behind them.
    async fn by_last_event(&self, token: Option<&str>) -> Result<Page, Failure> {
        let resume = token.map(|token| parse_token(token).ok_or_else(invalid_token)).transpose()?;
        let resume = resume.as_ref();
        // A token says by its time among which of the two kinds the page goes on.
        let in_silent = resume.is_some_and(|(last, _)| *last == 0);
        let in_active = resume.is_some() && !in_silent;
        let mut ranks = Vec::new();
        if self.reverse {
            if !in_silent {
                ranks = self.with_events(resume, self.limit + 1).await?;
            }
            if ranks.len() <= self.limit {
                ranks.extend(self.without_events(resume.filter(|_| in_silent)).await?);
            }
        } else {
            if !in_active {
                ranks = self.without_events(resume).await?;
            }
            if ranks.len() <= self.limit {
                ranks.extend(self.with_events(resume.filter(|_| in_active), self.limit + 1).await?);
            }
        }
        let more = ranks.len() > self.limit;
        ranks.truncate(self.limit);
        let next = ranks.last().filter(|_| more).map(write_token);
        let mut streams = Vec::new();
        for (_, name) in ranks {
            // One that was deleted in between is left out.
            let found = self.inner.tables.streams.get(&[&self.group.to_string(), &name]).await;
            if let Some(record) = found.map_err(TableError::from)? {
                streams.push((name, record.value));
            }
        }
        Ok(Page { streams, next })
    }

    /// Up to `limit` streams with events behind `resume`, in order.
    async fn with_events(&self, resume: Option<&Rank>, limit: usize) -> Result<Vec<Rank>, TableError> {
        let mut window = self.window;
        let direction = if self.reverse { Direction::Backward } else { Direction::Forward };
        match resume {
            Some((last, _)) if self.reverse => window.end = Position::at(last.saturating_add(1)),
            Some((last, _)) => window.start = window.start.max(Position::at(*last)),
            None => {}
        }
        let reading = Reading { group: self.group, window, direction };
        let mut active = ActiveStreams::new(&self.inner.tables, String::new(), reading).await?;
        let mut last_events: HashMap<Id, Option<u64>> = HashMap::new();
        let mut ranks: Vec<Rank> = Vec::new();
        while ranks.len() < limit {
            let Some((bucket, streams)) = active.next_bucket().await? else { break };
            let mut here = Vec::new();
            for (stream, name) in streams {
                let last = match last_events.get(&stream) {
                    Some(last) => *last,
                    None => *last_events.entry(stream).or_insert(self.last_event(stream).await?),
                };
                match last {
                    Some(last) if chunk::bucket(last) == bucket => here.push((last, name)),
                    _ => {}
                }
            }
            here.retain(|rank| resume.is_none_or(|resume| self.is_behind(rank, resume)));
            self.sort(&mut here);
            ranks.extend(here);
        }
        Ok(ranks)
    }

    /// Up to one more than the limit of streams without events behind `resume`, in order.
    async fn without_events(&self, resume: Option<&Rank>) -> Result<Vec<Rank>, Failure> {
        let mut ranks = Vec::new();
        let mut token = None;
        loop {
            let listing = Listing {
                within: &[&self.group.to_string()],
                beginning: "",
                limit: hearth_store::limits::SCAN_ROWS_MAX,
                token: token.as_deref(),
                reverse: self.reverse,
            };
            let page = self.inner.tables.streams.list(listing).await.map_err(listing_failure)?;
            for (mut name, record) in page.records {
                let rank = (0, name.pop().unwrap_or_default());
                let behind = resume.is_none_or(|resume| self.is_behind(&rank, resume));
                if behind && self.last_event(record.value.id).await?.is_none() {
                    ranks.push(rank);
                }
                if ranks.len() > self.limit {
                    return Ok(ranks);
                }
            }
            match page.next {
                Some(next) => token = Some(next),
                None => return Ok(ranks),
            }
        }
    }

    fn is_behind(&self, rank: &Rank, resume: &Rank) -> bool {
        if self.reverse { rank < resume } else { rank > resume }
    }

    fn sort(&self, ranks: &mut [Rank]) {
        ranks.sort_unstable();
        if self.reverse {
            ranks.reverse();
        }
    }

    async fn last_event(&self, stream: Id) -> Result<Option<u64>, TableError> {
        Ok(self.end(stream, Direction::Backward).await?.map(|position| position.timestamp))
    }

    /// The first event from one end.
    async fn end(&self, stream: Id, direction: Direction) -> Result<Option<Position>, TableError> {
        let reading = Reading { group: self.group, window: self.window, direction };
        Cursor::new(&self.inner.tables, stream, reading).peek().await
    }

    async fn describe(
        &self,
        arn: String,
        (name, stream): (String, LogStream),
    ) -> Result<logs::LogStream, TableError> {
        let first = self.end(stream.id, Direction::Forward).await?;
        let last = self.end(stream.id, Direction::Backward).await?;
        Ok(logs::LogStream {
            log_stream_name: Some(name),
            creation_time: Some(stream.created.millis()),
            first_event_timestamp: first.map(|position| to_wire(position.timestamp)),
            last_event_timestamp: last.map(|position| to_wire(position.timestamp)),
            last_ingestion_time: last.map(|position| position.request.made().millis()),
            upload_sequence_token: last.map(|position| sequence_token(position.request)),
            arn: Some(arn),
            // AWS: always zero since 2019.
            stored_bytes: Some(0),
        })
    }
}

fn write_token((last, name): &Rank) -> String {
    format!("{last}/{name}")
}

fn parse_token(token: &str) -> Option<Rank> {
    let (last, name) = token.split_once('/')?;
    Some((last.parse().ok()?, name.to_owned()))
}
