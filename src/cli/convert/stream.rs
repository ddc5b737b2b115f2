//! Streams: converted event by event as they arrive, in constant memory.
//!
//! Whether the input speaks chat, responses or messages is known with its first event, and only then the output is opened.

use color_eyre::Result;

use super::{
    Dialect, Kind, bad_data,
    detect::{self, Members, Shape},
    document::Converted,
    input::Input,
    losses::Losses,
    route::{Found, Route, Wish},
    settings::{Settings, message_id, refused},
    sink::{Sink, Target},
};
use crate::{
    cli::exit::{Exit, Failure},
    config::limits::Limits,
    protocol::anthropic::{
        error::{Error, ErrorKind},
        stream::Event,
    },
    sse::{self, Decoder},
    translate::{
        self,
        message_fold::MessageFold,
        report::{Kind as LossKind, Report},
        stream::{End, Stream},
    },
};

pub(super) fn run(
    input: &mut Input,
    shape: Shape,
    target: &Target,
    wish: Wish,
    settings: &Settings,
    losses: Losses,
    pretty: bool,
) -> Result<Exit> {
    if pretty && !wish.aggregate {
        return Err(
            Failure::new(Exit::Usage, "--pretty is for JSON, and a stream of events is written").into()
        );
    }
    let mut conversion = Conversion::new(wish, settings);
    let mut output = Output {
        target,
        sink: None,
        buffer: Vec::new(),
        aggregate: wish.aggregate.then(MessageFold::default),
    };
    if shape == Shape::Document {
        let document = input.read_document()?;
        if document.trim_ascii().is_empty() {
            return Err(bad_data(format!("{} is empty", input.name())).into());
        }
        conversion.whole(&document)?;
        output.take(&mut conversion, input)?;
    } else {
        read_events(input, &mut conversion, &mut output)?;
    }
    conversion.finish(End::Eof)?;
    output.take(&mut conversion, input)?;
    output.finish(conversion, input, losses, pretty)
}

fn read_events(input: &mut Input, conversion: &mut Conversion<'_>, output: &mut Output<'_>) -> Result<()> {
    let name = input.name().to_owned();
    let mut decoder = Decoder::new(Limits::default().max_event_size);
    loop {
        let bytes = match input.more() {
            Ok(bytes) => bytes,
            Err(error) => {
                // What was read so far ends as a stream must; why it ends is told on stderr.
                conversion
                    .finish(End::Failed(Error::new(ErrorKind::Api, "the input could not be read on")))?;
                output.take(conversion, input)?;
                return Err(error);
            }
        };
        let (count, mut taken) = (bytes.len(), Ok(()));
        let take = |event: sse::Event<'_>| {
            if taken.is_ok() {
                // Folded one by one, so that the event that breaks the stream can be named.
                taken = conversion.push(&event).and_then(|()| output.fold(conversion, &name));
            }
        };
        if count == 0 {
            decoder.finish(take);
            return Ok(taken?);
        }
        let decoded = decoder.push(bytes, take);
        input.consume(count);
        taken?;
        if let Err(error) = decoded {
            return Ok(conversion.finish(End::Failed(Error::new(ErrorKind::Api, error.to_string())))?);
        }
        output.take(conversion, input)?;
        if conversion.is_over() {
            return Ok(());
        }
    }
}

/// What the input is converted by; chosen at its first event.
struct Conversion<'a> {
    wish: Wish,
    settings: &'a Settings,
    by: By,
    /// Converted and not yet written.
    events: Vec<Event>,
    /// Events of the input so far.
    count: u64,
    /// The event that ended the translation.
    failed_at: Option<u64>,
}

enum By {
    /// Nothing yet.
    Undecided,
    /// The translation of an upstream's answer.
    Answer(Box<Stream>),
    /// Nothing is translated: the events are those of messages already.
    Messages(Report),
}

impl<'a> Conversion<'a> {
    fn new(wish: Wish, settings: &'a Settings) -> Self {
        Self { wish, settings, by: By::Undecided, events: Vec::new(), count: 0, failed_at: None }
    }

    fn push(&mut self, event: &sse::Event<'_>) -> Result<(), Failure> {
        self.count += 1;
        if matches!(self.by, By::Undecided) {
            self.decide(&event.data, detect::dialect_of_event(&event.name, &event.data))?;
        }
        match &mut self.by {
            By::Undecided => {}
            By::Answer(stream) => {
                stream.push(event, &mut self.events);
                if stream.failure().is_some() {
                    self.failed_at.get_or_insert(self.count);
                }
            }
            By::Messages(report) => match serde_json::from_str(&event.data) {
                Ok(event) => self.events.push(event),
                // The SDKs skip events that they do not know, and so does this.
                Err(_) if is_unknown(&event.data) => {
                    report.add(format!("/{}", self.count - 1), LossKind::Dropped, "an event of unknown type");
                }
                Err(error) => {
                    let what = format!("event {} of the stream is wrong", self.count);
                    return Err(bad_data(what).why(error.to_string()));
                }
            },
        }
        Ok(())
    }

    /// Takes a whole completion where a stream was announced.
    fn whole(&mut self, document: &[u8]) -> Result<(), Failure> {
        let text = String::from_utf8_lossy(document);
        self.decide(text.trim(), detect::dialect_of_document(document))?;
        if let By::Answer(stream) = &mut self.by {
            stream.push_whole(document, &mut self.events);
        }
        Ok(())
    }

    /// Ids and the model's name follow from the first event, so that they do not depend on how bytes arrive.
    fn decide(&mut self, first: &str, dialect: Dialect) -> Result<(), Failure> {
        let found = Found { kind: Kind::Stream, dialect: Some(dialect) };
        let (Route::Stream(upstream) | Route::AggregateAnswer(upstream)) = self.wish.route(found)? else {
            self.by = By::Messages(Report::default());
            return Ok(());
        };
        let members = Members::of(first.as_bytes());
        let stated = members.and_then(|members| {
            members.text("model").or_else(|| members.object("response").and_then(|inner| inner.text("model")))
        });
        let context = self.settings.context(upstream, stated);
        self.by = By::Answer(Box::new(Stream::new(message_id(first.as_bytes()), context)));
        Ok(())
    }

    fn finish(&mut self, end: End) -> Result<(), Failure> {
        if matches!(self.by, By::Undecided) {
            // Not one event: the translation knows what a client is told then.
            self.decide("", self.wish.from.unwrap_or(Dialect::Chat))?;
        }
        if let By::Answer(stream) = &mut self.by {
            stream.finish(end, &mut self.events);
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        matches!(&self.by, By::Answer(stream) if stream.is_over())
    }

    /// Why the translation failed, and at which event if not at the end.
    fn failure(&self, name: &str) -> Option<Failure> {
        let By::Answer(stream) = &self.by else { return None };
        let place = self.failed_at.map_or_else(|| name.to_owned(), |number| at_event(name, number));
        stream.failure().map(|error| refused(&place, error))
    }

    fn into_report(self) -> Report {
        match self.by {
            By::Answer(stream) => stream.report().clone(),
            By::Messages(report) => report,
            By::Undecided => Report::default(),
        }
    }
}

/// Where in the input a failure is; events count from 1.
fn at_event(name: &str, number: u64) -> String {
    format!("{name}: event {number}")
}

/// An event whose type this program does not know.
fn is_unknown(data: &str) -> bool {
    const KNOWN: [&str; 8] = [
        "message_start",
        "ping",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
        "error",
    ];
    let kind = Members::of(data.as_bytes()).and_then(|members| members.text("type"));
    kind.is_some_and(|kind| !KNOWN.contains(&kind.as_str()))
}

/// Where events go: to the sink at once, or into one message.
struct Output<'a> {
    target: &'a Target,
    sink: Option<Sink>,
    buffer: Vec<u8>,
    aggregate: Option<MessageFold>,
}

impl Output<'_> {
    /// Folds what there is, if one message is wanted.
    fn fold(&mut self, conversion: &mut Conversion<'_>, name: &str) -> Result<(), Failure> {
        let Some(fold) = &mut self.aggregate else { return Ok(()) };
        for event in conversion.events.drain(..) {
            fold.push(event).map_err(|error| refused(&at_event(name, conversion.count), &error))?;
        }
        Ok(())
    }

    /// Writes what there is, so that the reader has it before the next read.
    fn take(&mut self, conversion: &mut Conversion<'_>, input: &Input) -> Result<()> {
        self.fold(conversion, input.name())?;
        let events = &mut conversion.events;
        if events.is_empty() {
            return Ok(());
        }
        self.buffer.clear();
        for event in events.drain(..) {
            translate::encode(&event, &mut self.buffer);
        }
        let sink = match &mut self.sink {
            Some(sink) => sink,
            none => none.insert(self.target.open_stream(input)?),
        };
        sink.write(&self.buffer)?;
        sink.flush()
    }

    /// Ends the output; a stream that broke off was written with its `error` event and is a failure now.
    fn finish(
        self,
        conversion: Conversion<'_>,
        input: &Input,
        mut losses: Losses,
        pretty: bool,
    ) -> Result<Exit> {
        let failure = conversion.failure(input.name());
        let mut report = conversion.into_report();
        let message = match (self.aggregate, &failure) {
            (Some(fold), None) => {
                let message = fold.finish().map_err(|error| refused(input.name(), &error))?;
                let converted = Converted::message(&message, std::mem::take(&mut report))?;
                report = converted.report;
                Some(converted.text.laid_out(pretty)?)
            }
            _ => None,
        };
        losses.list(&report, None)?;
        let refusal = failure.or_else(|| losses.refusal(&report));
        losses.finish()?;
        if let Some(sink) = self.sink {
            sink.commit()?;
        }
        if let Some(refusal) = refusal {
            return Err(refusal.into());
        }
        if let Some(message) = message {
            let mut sink = self.target.open_whole()?;
            sink.write(&message)?;
            sink.commit()?;
        }
        Ok(Exit::Success)
    }
}
