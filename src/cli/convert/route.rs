//! Which conversion a wish and an input make together.

use super::{Dialect, Kind, Upstream};
use crate::cli::exit::{Exit, Failure};

/// What the command line asks for.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wish {
    pub(super) kind: Option<Kind>,
    pub(super) from: Option<Dialect>,
    pub(super) to: Option<Dialect>,
    pub(super) aggregate: bool,
    pub(super) explode: bool,
    pub(super) jsonl: bool,
}

/// What the input turned out to be, and in whose words, if they tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) kind: Kind,
    pub(super) dialect: Option<Dialect>,
}

/// A conversion that exists; with the upstream's dialect, where there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    /// A request of messages for an upstream.
    Request(Upstream),
    /// An upstream's answer as a message.
    Response(Upstream),
    /// An upstream's answer as a stream of messages.
    ExplodeAnswer(Upstream),
    /// A message as a stream of messages.
    ExplodeMessage,
    /// An upstream's stream as a stream of messages.
    Stream(Upstream),
    /// An upstream's stream as a message.
    AggregateAnswer(Upstream),
    /// A stream of messages as a message.
    AggregateEvents,
    /// An upstream's error in the words of messages.
    Error,
}

impl Wish {
    /// Refuses before anything is read what no input could satisfy.
    pub(super) fn check(self) -> Result<(), Failure> {
        let Some(kind) = self.kind else { return Ok(()) };
        let fits = |dialect| self.route(Found { kind, dialect }).map(drop);
        fits(None).or_else(|refusal| fits(Some(Dialect::Messages)).map_err(|_| refusal))
    }

    /// The conversion for an input.
    pub(super) fn route(self, found: Found) -> Result<Route, Failure> {
        let kind = self.kind.unwrap_or(found.kind);
        // An upstream that answers a request for a completion with an error or a stream is still understood, so
        // the dialect that was found counts only where the kind is the one that was wished for.
        let found_dialect = found.dialect.filter(|_| kind == found.kind);
        let from = self.from.or(found_dialect).unwrap_or(match kind {
            Kind::Request => Dialect::Messages,
            _ => Dialect::Chat,
        });
        let to = self.to.unwrap_or(match kind {
            Kind::Request => Dialect::Chat,
            _ => Dialect::Messages,
        });
        if self.jsonl && kind == Kind::Stream {
            return Err(usage("--jsonl takes requests, responses and errors, not streams"));
        }
        if self.aggregate && kind != Kind::Stream {
            return Err(usage("--aggregate is for streams").why(format!("the input is {}", article(kind))));
        }
        if self.explode && kind != Kind::Response {
            return Err(usage("--explode is for responses").why(format!("the input is {}", article(kind))));
        }
        let (client, upstream) = match kind {
            Kind::Request => (from, to.of_upstream()),
            _ => (to, from.of_upstream()),
        };
        if client != Dialect::Messages {
            return Err(unsupported(kind, from, to));
        }
        match (kind, upstream) {
            (Kind::Request, Some(upstream)) => Ok(Route::Request(upstream)),
            (Kind::Response, Some(upstream)) if self.explode => Ok(Route::ExplodeAnswer(upstream)),
            (Kind::Response, Some(upstream)) => Ok(Route::Response(upstream)),
            (Kind::Response, None) if self.explode => Ok(Route::ExplodeMessage),
            (Kind::Stream, Some(upstream)) if self.aggregate => Ok(Route::AggregateAnswer(upstream)),
            (Kind::Stream, Some(upstream)) => Ok(Route::Stream(upstream)),
            (Kind::Stream, None) if self.aggregate => Ok(Route::AggregateEvents),
            (Kind::Error, Some(_)) => Ok(Route::Error),
            (_, None) => Err(unsupported(kind, from, to)),
        }
    }
}

fn unsupported(kind: Kind, from: Dialect, to: Dialect) -> Failure {
    let what = format!("converting {} from {} to {} is not supported", article(kind), name(from), name(to));
    let failure = usage(&what);
    match (kind, from, to) {
        (Kind::Response, Dialect::Messages, Dialect::Messages) => {
            failure.mend("--explode writes it as a stream")
        }
        (Kind::Stream, Dialect::Messages, Dialect::Messages) => {
            failure.mend("--aggregate folds it into a message")
        }
        (Kind::Error, Dialect::Messages, Dialect::Messages) => {
            failure.why("it is in the words of messages already")
        }
        (Kind::Request, ..) => failure.why("requests go from messages to chat or responses"),
        _ => failure.why("responses, streams and errors go from chat or responses to messages"),
    }
}

fn usage(what: &str) -> Failure {
    Failure::new(Exit::Usage, what)
}

fn article(kind: Kind) -> &'static str {
    match kind {
        Kind::Request => "a request",
        Kind::Response => "a response",
        Kind::Stream => "a stream",
        Kind::Error => "an error",
    }
}

fn name(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Messages => "messages",
        Dialect::Chat => "chat",
        Dialect::Responses => "responses",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Dialect::{Chat, Messages, Responses};

    fn found(kind: Kind, dialect: impl Into<Option<Dialect>>) -> Found {
        Found { kind, dialect: dialect.into() }
    }

    #[test]
    fn defaults_follow_from_the_kind() {
        let wish = Wish::default();
        for (input, route) in [
            (found(Kind::Request, None), Route::Request(Upstream::Chat)),
            (found(Kind::Response, Chat), Route::Response(Upstream::Chat)),
            (found(Kind::Response, Responses), Route::Response(Upstream::Responses)),
            (found(Kind::Stream, None), Route::Stream(Upstream::Chat)),
            (found(Kind::Stream, Responses), Route::Stream(Upstream::Responses)),
            (found(Kind::Error, Chat), Route::Error),
        ] {
            assert_eq!(wish.route(input).unwrap(), route);
        }
    }

    #[test]
    fn a_message_is_only_told_in_another_form() {
        let explode = Wish { explode: true, ..Wish::default() };
        assert_eq!(explode.route(found(Kind::Response, Messages)).unwrap(), Route::ExplodeMessage);
        assert_eq!(explode.route(found(Kind::Response, Chat)).unwrap(), Route::ExplodeAnswer(Upstream::Chat));
        assert!(explode.route(found(Kind::Stream, Chat)).is_err());
        let aggregate = Wish { aggregate: true, ..Wish::default() };
        assert_eq!(aggregate.route(found(Kind::Stream, Messages)).unwrap(), Route::AggregateEvents);
        assert_eq!(
            aggregate.route(found(Kind::Stream, Chat)).unwrap(),
            Route::AggregateAnswer(Upstream::Chat)
        );
        assert!(aggregate.route(found(Kind::Request, None)).is_err());
        assert!(Wish::default().route(found(Kind::Response, Messages)).is_err());
        assert!(Wish::default().route(found(Kind::Error, Messages)).is_err());
    }

    #[test]
    fn what_does_not_exist_is_refused_before_anything_is_read() {
        let wish = |kind, from, to| Wish { kind, from, to, ..Wish::default() };
        for (kind, from, to) in [
            (Some(Kind::Request), Some(Chat), None),
            (Some(Kind::Request), None, Some(Messages)),
            (Some(Kind::Response), None, Some(Chat)),
            (Some(Kind::Error), Some(Messages), None),
            (Some(Kind::Request), Some(Responses), None),
            (Some(Kind::Stream), None, Some(Responses)),
        ] {
            let refusal = wish(kind, from, to).check().unwrap_err();
            assert_eq!(refusal.exit(), Exit::Usage, "{kind:?} {from:?} {to:?}");
        }
        assert!(wish(Some(Kind::Response), None, None).check().is_ok());
        assert!(wish(Some(Kind::Request), None, Some(Responses)).check().is_ok());
        assert!(wish(Some(Kind::Error), Some(Responses), None).check().is_ok());
        assert!(Wish { jsonl: true, ..wish(Some(Kind::Stream), None, None) }.check().is_err());
        assert!(Wish { explode: true, ..wish(Some(Kind::Response), Some(Messages), None) }.check().is_ok());
    }
}
