//! Finds the operation that a REST request means, by its method, path and query.
//!
//! Templates are compiled once for each service. Among the templates that fit, the one with the most literal path
//! wins, then the one with more literal query parameters, then the one whose required parameters and headers are there
//! (S3's UploadPart and PutObject differ in nothing else).

use crate::message::Request;
use crate::schema::{Location, Operation, Service, Unimplemented};
use percent_encoding::percent_decode_str;
use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// What a URI's labels hold: the label's name in the template and its text, decoded.
pub type Labels = Vec<(&'static str, String)>;

/// The operation a request means.
#[derive(Debug)]
pub(crate) enum Target {
    /// One that Hearth implements, by its index in the service.
    Implemented(usize, Labels),
    /// One that it does not.
    Unimplemented(&'static Unimplemented),
}

/// All templates of one service.
#[derive(Debug)]
pub(crate) struct Router {
    service: &'static Service,
    routes: Vec<Route>,
}

#[derive(Debug)]
struct Route {
    method: &'static str,
    segments: Vec<Segment>,
    greedy: bool,
    query: Vec<(&'static str, Option<&'static str>)>,
    rank: Rank,
    operation: Result<usize, &'static Unimplemented>,
}

/// Routes of a lower rank are tried first: literals before labels before greedy labels, from left to right, and with as
/// many literal query parameters as there are.
type Rank = (Vec<u8>, Reverse<usize>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Segment {
    Literal(&'static str),
    Label(&'static str),
    Greedy(&'static str),
}

/// The routers made so far, by the address of their service: there are as many as services in the binary.
static ROUTERS: RwLock<Option<HashMap<usize, Arc<Router>>>> = RwLock::new(None);

impl Router {
    /// The router of a service, compiled at its first use.
    pub(crate) fn of(service: &'static Service) -> Arc<Self> {
        let key = std::ptr::from_ref(service).addr();
        let known = ROUTERS.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(router) = known.as_ref().and_then(|routers| routers.get(&key)) {
            return Arc::clone(router);
        }
        drop(known);
        let router = Arc::new(Self::compile(service));
        let mut known = ROUTERS.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.get_or_insert_default().entry(key).or_insert(router))
    }

    fn compile(service: &'static Service) -> Self {
        let implemented = service.operations.iter().enumerate();
        let mut routes: Vec<Route> = implemented
            .map(|(index, operation)| Route::compile(operation.method, operation.uri, Ok(index)))
            .chain(
                service.unimplemented.iter().map(|other| Route::compile(other.method, other.uri, Err(other))),
            )
            .collect();
        // Stable, so that equals stay in the order of their names.
        routes.sort_by(|one, other| one.rank.cmp(&other.rank));
        Self { service, routes }
    }

    /// Finds what `request` means; none when no template fits.
    pub(crate) fn find(&self, request: &Request) -> Option<Target> {
        let segments: Vec<&str> = split(request.uri.path());
        let query = request.uri.query().unwrap_or_default();
        let method = request.method.as_str();
        let mut fitting = self.routes.iter().filter(|route| route.fits(method, &segments, query));
        let first = fitting.next()?;
        let mut equals = fitting.take_while(|route| route.rank == first.rank);
        let route = match equals.next() {
            None => first,
            Some(second) => [first, second]
                .into_iter()
                .chain(equals)
                .min_by_key(|route| self.missing_and_present(route, request, query))?,
        };
        Some(match route.operation {
            Ok(index) => Target::Implemented(index, route.labels(&segments)),
            Err(unimplemented) => Target::Unimplemented(unimplemented),
        })
    }

    /// How well a request meets what an operation requires outside path and body: fewer missing is better, then more
    /// present.
    fn missing_and_present(&self, route: &Route, request: &Request, query: &str) -> (usize, Reverse<usize>) {
        let Ok(index) = route.operation else { return (0, Reverse(0)) };
        let operation: &Operation = &self.service.operations[index];
        let members = operation.input.structure().map_or(&[][..], |structure| structure.members);
        let (mut missing, mut present) = (0, 0);
        for member in members.iter().filter(|member| member.required) {
            let there = match member.location {
                Location::Query => parameters(query).any(|(name, _)| name == member.wire_name),
                Location::Header => request.headers.contains_key(member.wire_name),
                _ => continue,
            };
            if there { present += 1 } else { missing += 1 }
        }
        (missing, Reverse(present))
    }
}

impl Route {
    fn compile(
        method: &'static str,
        uri: &'static str,
        operation: Result<usize, &'static Unimplemented>,
    ) -> Self {
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        let mut segments: Vec<Segment> = split(path)
            .into_iter()
            .map(|segment| match segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
                Some(label) => match label.strip_suffix('+') {
                    Some(label) => Segment::Greedy(label),
                    None => Segment::Label(label),
                },
                None => Segment::Literal(segment),
            })
            .collect();
        if segments.last() == Some(&Segment::Literal("")) {
            segments.pop();
        }
        let query: Vec<_> = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').map_or((pair, None), |(name, value)| (name, Some(value))))
            .collect();
        let ranks = segments.iter().map(|segment| match segment {
            Segment::Literal(_) => 0,
            Segment::Label(_) => 1,
            Segment::Greedy(_) => 2,
        });
        Self {
            method,
            greedy: segments.iter().any(|segment| matches!(segment, Segment::Greedy(_))),
            rank: (ranks.collect(), Reverse(query.len())),
            segments,
            query,
            operation,
        }
    }

    fn fits(&self, method: &str, segments: &[&str], query: &str) -> bool {
        self.path_fits(segments)
            && self.method == method
            && self.query.iter().all(|(name, value)| {
                parameters(query)
                    .any(|(other, text)| other == *name && value.is_none_or(|value| value == text))
            })
    }

    fn path_fits(&self, segments: &[&str]) -> bool {
        if self.greedy {
            let Some(place) = self.segments.iter().position(|segment| matches!(segment, Segment::Greedy(_)))
            else {
                return false;
            };
            let tail = self.segments.len() - place - 1;
            return segments.len() >= self.segments.len()
                && segments[place..segments.len() - tail].iter().any(|segment| !segment.is_empty())
                && fit(&self.segments[..place], &segments[..place])
                && fit(&self.segments[place + 1..], &segments[segments.len() - tail..]);
        }
        // A slash at the end means nothing unless a greedy label takes it in.
        let segments = segments.strip_suffix(&[""]).unwrap_or(segments);
        segments.len() == self.segments.len() && fit(&self.segments, segments)
    }

    fn labels(&self, segments: &[&str]) -> Labels {
        let mut labels = Labels::new();
        let spare = (segments.len() + 1).saturating_sub(self.segments.len());
        let mut at = 0;
        for segment in &self.segments {
            match segment {
                Segment::Literal(_) => at += 1,
                Segment::Label(name) => {
                    labels.push((name, decode(segments[at])));
                    at += 1;
                }
                Segment::Greedy(name) => {
                    labels.push((name, decode(&segments[at..at + spare].join("/"))));
                    at += spare;
                }
            }
        }
        labels
    }
}

fn fit(template: &[Segment], segments: &[&str]) -> bool {
    template.iter().zip(segments).all(|(template, segment)| match template {
        Segment::Literal(literal) => literal == segment,
        Segment::Label(_) | Segment::Greedy(_) => !segment.is_empty(),
    })
}

fn split(path: &str) -> Vec<&str> {
    path.strip_prefix('/').unwrap_or(path).split('/').collect()
}

/// Undoes percent-encoding. What is no UTF-8 then becomes U+FFFD, which no pattern of a label allows.
fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// The parameters of a query or a form, decoded, in their order.
pub(crate) fn parameters(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode_parameter(name), decode_parameter(value))
    })
}

fn decode_parameter(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(|byte| matches!(byte, b'+' | b'%')) {
        return Cow::Borrowed(text);
    }
    let spaced = text.replace('+', " ");
    Cow::Owned(decode(&spaced))
}

#[cfg(test)]
mod tests;
