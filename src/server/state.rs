//! What all requests share.
//!
//! A request sees one [`Shared`] from its head to its end. A reload makes a new one for the requests that come
//! after it; what must outlive a reload is behind an `Arc` of its own and passed on.

use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::{Mutex as AsyncMutex, watch};

use super::{
    clients::{Clients, strangers::Strangers},
    dispatch::Way,
    error::Mask,
    lessons::Lessons,
    limits::{Places, Room, Slots},
    sums::Sums,
};
use crate::{
    config::{Config, limits::Limits},
    metrics::Metrics,
    models::{Target, counting::Multiplier, names::Names},
    routing::Breaker,
    upstream::{self, Listing, Upstream},
};

/// What all requests of one configuration share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// The configuration; its limits are those for this upstream.
    pub(crate) config: Config,
    /// The limits without what this upstream has of its own.
    limits: Limits,
    /// The way to the upstream.
    pub(crate) upstream: Upstream,
    /// Places for requests that are translated.
    pub(crate) slots: Arc<Slots>,
    /// Places for requests at the upstream.
    pub(crate) places: Arc<Places>,
    /// Whether the upstream is left alone for a while.
    pub(crate) breaker: Arc<Breaker>,
    /// Where requests go that a route takes; empty below a route.
    pub(crate) ways: Vec<Way>,
    /// Room for request bodies.
    pub(crate) room: Arc<Room>,
    /// How the upstream is.
    pub(crate) health: Arc<Health>,
    /// What was learnt of its models.
    pub(crate) lessons: Arc<Lessons>,
    /// Who has a key, and what they have used.
    pub(crate) clients: Clients,
    /// Who has none and tries.
    pub(crate) strangers: Arc<Strangers>,
    /// What happened so far.
    pub(crate) metrics: Arc<Metrics>,
    /// Tokens so far.
    pub(crate) sums: Arc<Sums>,
    /// What of the configuration no client may read.
    pub(crate) mask: Mask,
    /// The names of models that metrics tell apart.
    names: Arc<Names>,
    /// When serving began.
    pub(crate) started: Instant,
    /// The end that is near.
    pub(crate) stopping: Arc<Stopping>,
    /// Some model is asked in Messages.
    may_forward: bool,
    /// The upstream does not count tokens.
    counts_itself: AtomicBool,
    /// The most tokens that an upstream model answers with, where the configuration says so.
    max_output_tokens: HashMap<String, u64>,
    context_windows: HashMap<String, u64>,
    /// By how much the token counts of an upstream model are multiplied, where the configuration says so.
    count_multipliers: HashMap<String, Multiplier>,
}

impl Shared {
    pub(crate) fn new(config: Config, metrics: Arc<Metrics>) -> Result<Self, upstream::Error> {
        let mut shared = Self::of_one(config, metrics)?;
        shared.ways = shared.make_ways()?;
        Ok(shared)
    }

    /// The places that the routes lead to. All places of one upstream share its connections and what is known of it.
    fn make_ways(&self) -> Result<Vec<Way>, upstream::Error> {
        let mut known: HashMap<String, Arc<Self>> = HashMap::new();
        let mut ways = Vec::with_capacity(self.config.routes.len());
        for route in &self.config.routes {
            let mut places = Vec::with_capacity(route.hops.len());
            for (number, hop) in (1..).zip(&route.hops) {
                let Some(mut config) = self.config.at(&route.name, hop) else { continue };
                config.limits = self.limits.clone();
                let mut place = Self::of_one(config, Arc::clone(&self.metrics))?;
                let same = known.get(&hop.upstream).map(Arc::as_ref);
                place.join(if hop.upstream == self.config.upstream.name { Some(self) } else { same });
                place.slots = Arc::clone(&self.slots);
                place.room = Arc::clone(&self.room);
                place.stopping = Arc::clone(&self.stopping);
                place.names = Arc::clone(&self.names);
                if number < route.hops.len() {
                    place.upstream = place.upstream.with_a_stand_by();
                }
                let place = Arc::new(place);
                known.entry(hop.upstream.clone()).or_insert_with(|| Arc::clone(&place));
                places.push(place);
            }
            ways.push(Way { route: route.clone(), places });
        }
        Ok(ways)
    }

    /// Takes over what is known of the upstream.
    fn join(&mut self, same: Option<&Self>) {
        if let Some(same) = same {
            self.upstream = same.upstream.alone();
            self.health = Arc::clone(&same.health);
            self.lessons = Arc::clone(&same.lessons);
            self.breaker = Arc::clone(&same.breaker);
            self.places = Arc::clone(&same.places);
        }
    }

    fn of_one(mut config: Config, metrics: Arc<Metrics>) -> Result<Self, upstream::Error> {
        let limits = config.limits.clone();
        config.limits = limits.of(&config.upstream);
        Ok(Self {
            upstream: Upstream::new(&config.upstream, &config.limits, Arc::clone(&metrics))?,
            limits,
            places: Arc::new(Places::new(config.upstream.max_concurrent_requests)),
            breaker: Arc::new(Breaker::new(config.limits.eject_for)),
            ways: Vec::new(),
            slots: Arc::new(Slots::new(config.limits.max_concurrent_requests)),
            room: Arc::new(Room::new(config.limits.max_buffered_bytes)),
            health: Arc::default(),
            lessons: Arc::default(),
            clients: Clients::new(&config.server.client_keys),
            strangers: Arc::default(),
            metrics,
            sums: Arc::default(),
            mask: Mask::new(&config.upstream),
            names: Arc::new(names(&config)),
            started: Instant::now(),
            stopping: Arc::default(),
            may_forward: may_forward(&config),
            counts_itself: AtomicBool::new(false),
            max_output_tokens: of_targets(&config, |target| target.max_output_tokens),
            context_windows: of_targets(&config, |target| target.max_input_tokens),
            count_multipliers: of_targets(&config, |target| target.count_multiplier),
            config,
        })
    }

    /// Whether some model is asked in Messages, so that its requests are forwarded.
    pub(crate) const fn may_forward(&self) -> bool {
        self.may_forward
    }

    /// Whether tokens are counted here, because the upstream does not count them.
    pub(crate) fn counts_itself(&self) -> bool {
        self.counts_itself.load(Ordering::Relaxed)
    }

    /// The upstream does not count tokens.
    pub(crate) fn count_by_itself(&self) {
        self.counts_itself.store(true, Ordering::Relaxed);
    }

    /// The same server under another configuration: what is known of the upstream stays while it is the same
    /// one, and requests that run under the old configuration keep counting while the limit is the same.
    pub(crate) fn renewed(&self, config: Config) -> Result<Self, upstream::Error> {
        let mut new = Self {
            started: self.started,
            stopping: Arc::clone(&self.stopping),
            sums: Arc::clone(&self.sums),
            ..Self::new(config, Arc::clone(&self.metrics))?
        };
        if new.config.limits.max_concurrent_requests == self.config.limits.max_concurrent_requests {
            new.slots = Arc::clone(&self.slots);
        }
        if new.config.limits.max_buffered_bytes == self.config.limits.max_buffered_bytes {
            new.room = Arc::clone(&self.room);
        }
        if new.config.upstream.base_url == self.config.upstream.base_url {
            new.health = Arc::clone(&self.health);
            new.lessons = Arc::clone(&self.lessons);
            new.breaker = Arc::clone(&self.breaker);
            let limit = |shared: &Self| shared.config.upstream.max_concurrent_requests;
            if limit(&new) == limit(self) {
                new.places = Arc::clone(&self.places);
            }
        }
        new.ways = new.make_ways()?;
        Ok(new)
    }

    /// A requested model and the upstream's, as metrics name them.
    pub(crate) fn model_labels(&self, requested: &str, model: &str) -> [Cow<'static, str>; 2] {
        [self.names.requested(requested), self.names.of_upstream(model)]
    }

    /// The most tokens that this upstream model answers with, if the configuration says so.
    pub(crate) fn max_output_tokens(&self, model: &str) -> Option<u64> {
        self.max_output_tokens.get(model).copied().or(self.config.upstream.max_output_tokens)
    }

    /// The tokens that fit into this upstream model's context, if the configuration says so.
    pub(crate) fn context_window(&self, model: &str) -> Option<u64> {
        self.context_windows.get(model).copied().or(self.config.upstream.context_window)
    }

    /// By how much the token counts of this upstream model are multiplied.
    pub(crate) fn count_multiplier(&self, model: &str) -> Multiplier {
        self.count_multipliers.get(model).copied().unwrap_or(self.config.upstream.count_multiplier)
    }
}

fn names(config: &Config) -> Names {
    let routed = config.routes.iter().flat_map(|route| &route.models).map(String::as_str);
    let hops = config.routes.iter().flat_map(|route| &route.hops);
    let targets = hops.filter_map(|hop| hop.target.as_ref()).map(|target| target.model.as_str());
    Names::new(&config.models, routed, targets)
}

fn may_forward(config: &Config) -> bool {
    let of_rules = config.models.rules().into_iter().map(|(_, _, target)| target);
    let choices = of_rules.map(|target| config.upstream.dialect_of(&target.model, Some(target)));
    choices.chain([config.upstream.dialect_of("", None)]).any(|choice| choice.is_forwarded())
}

/// What the configuration says of the models that are mapped to, by the upstream's name of each.
fn of_targets<T>(config: &Config, member: impl Fn(&Target) -> Option<T>) -> HashMap<String, T> {
    let said = |target: &Target| Some((target.model.clone(), member(target)?));
    config.models.rules().into_iter().filter_map(|(_, _, target)| said(target)).collect()
}

/// How the upstream is, learnt from what it answered to clients, or from its list of models.
#[derive(Debug, Default)]
pub(crate) struct Health {
    last: Mutex<Option<Finding>>,
    /// One asks, the others wait for the answer.
    asking: AsyncMutex<()>,
}

/// What was learnt last.
#[derive(Debug, Clone)]
pub(crate) struct Finding {
    /// What is wrong; `None` when nothing is.
    pub(crate) failure: Option<String>,
    /// When it was learnt.
    pub(crate) at: Instant,
}

/// A finding stays true for so long when somebody insists on knowing.
const FRESH: Duration = Duration::from_secs(30);
/// For the list of models.
const PATIENCE: Duration = Duration::from_secs(3);

impl Health {
    /// Notes an answer. What blames the client, even by 429, comes from an upstream that works.
    pub(crate) fn note_status(&self, status: u16) {
        let failure = match status {
            401 | 500.. => Some(format!("answered with {status}")),
            _ => None,
        };
        self.note(failure);
    }

    /// Notes that there was no answer.
    pub(crate) fn note_error(&self, error: &upstream::Error) {
        self.note(Some(error.to_string()));
    }

    fn note(&self, failure: Option<String>) {
        let finding = Finding { failure, at: Instant::now() };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(finding);
    }

    /// What was learnt last.
    pub(crate) fn last(&self) -> Option<Finding> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What was learnt lately; if nothing was, asks for the list of models.
    pub(crate) async fn current(&self, upstream: &Upstream) -> Option<Finding> {
        let fresh = |finding: &Finding| finding.at.elapsed() < FRESH;
        let _one = self.asking.lock().await;
        if let Some(finding) = self.last().filter(fresh) {
            return Some(finding);
        }
        match upstream.list_models(None, PATIENCE).await {
            // Some servers have no list; some have no use for a request without a client's key. Both are there.
            Ok(Listing { status: 501, .. }) => self.note_status(404),
            Ok(Listing { status: 401, .. }) if upstream.settings().api_key.is_none() => self.note_status(403),
            Ok(listing) => self.note_status(listing.status),
            Err(error) => self.note_error(&error),
        }
        self.last()
    }
}

/// Whether the server stops, and whether what still runs must end now.
#[derive(Debug)]
pub(crate) struct Stopping {
    draining: AtomicBool,
    cut: watch::Sender<bool>,
}

impl Default for Stopping {
    fn default() -> Self {
        Self { draining: AtomicBool::new(false), cut: watch::Sender::new(false) }
    }
}

impl Stopping {
    /// No longer ready for new requests.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether new requests should go elsewhere.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Ends what still runs.
    pub(crate) fn cut(&self) {
        self.cut.send_replace(true);
    }

    /// Something that knows when to end.
    pub(crate) fn deadline(&self) -> Deadline {
        Deadline(self.cut.subscribe())
    }
}

/// Knows when what still runs must end.
#[derive(Debug)]
pub(crate) struct Deadline(watch::Receiver<bool>);

impl Deadline {
    /// Waits for it.
    pub(crate) async fn passed(&mut self) {
        if self.0.wait_for(|cut| *cut).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
