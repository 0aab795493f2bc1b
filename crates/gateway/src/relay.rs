//! Carries a session from its first statement to its end.
//!
//! One task polls both directions, so a round trip wakes no other task. Between messages the relay
//! owns no buffer at all ([`Pipe`]).

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use querycop_serve::{Ended, Pipe, PipeError, Turns};
use querycop_wire::SqlState;
use querycop_wire::error_response::{ErrorResponse, Severity};
use querycop_wire::frame::FrameError;
use querycop_wire::frontend::terminate;
use tokio::io::AsyncWrite;
use tokio::time::{Instant, Sleep, sleep_until};
use tracing::{Span, info, warn};

use crate::conversation::{Conversation, FromClient, FromServer, Half};
use crate::leg::Leg;
use crate::metrics::Metrics;
use crate::oversight::{Oversight, RelayError};
use crate::registry::{Admission, Order, Phase};
use crate::stop::chain;

/// A session in which statements flow.
pub(crate) struct Relay {
    client: Leg,
    backend: Leg,
    to_backend: Pipe,
    to_client: Pipe,
    upward: Upward,
    conversation: Conversation,
    /// What its statements are under.
    oversight: Option<Box<Oversight>>,
    /// Fires when the statement that runs has run for as long as it may.
    timer: Option<(Instant, Pin<Box<Sleep>>)>,
    admission: Admission,
    began: Instant,
}

/// How far the direction from client to server has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Upward {
    /// It flows.
    Open,
    /// The client has ended; the server is to be told.
    Ended,
    /// The server was told: its last words are awaited.
    Closed,
    /// The server takes nothing any more: it may have said why.
    Broken,
}

/// Why a relay ended.
#[derive(Debug)]
pub(crate) enum Ending {
    /// As client and server wished.
    Orderly,
    /// The client went away without a word.
    ClientLost(io::Error),
    /// The server went away without a word.
    BackendLost {
        cause: Option<io::Error>,
        told: bool,
    },
    /// The client sent what can't be a message.
    ClientMalformed(FrameError),
    /// The server sent what can't be a message.
    BackendMalformed(FrameError),
    /// The session can't be overseen any more.
    Ungoverned(RelayError),
    /// The gateway shuts down, and the session was idle.
    Drained,
    /// The gateway shuts down, and the session was not idle in time.
    Terminated,
}

impl Relay {
    /// A relay between two legs from each of which some bytes were already read.
    pub(crate) fn new(
        client: Leg,
        backend: Leg,
        oversight: Option<Box<Oversight>>,
        admission: Admission,
    ) -> Self {
        Self {
            client,
            backend,
            to_backend: Pipe::default(),
            to_client: Pipe::default(),
            upward: Upward::Open,
            conversation: Conversation::new(),
            oversight,
            timer: None,
            admission,
            began: Instant::now(),
        }
    }

    /// Begins with bytes that were read before the relay: of the client and of the server.
    pub(crate) fn with_first(mut self, from_client: &[u8], from_backend: &[u8]) -> Self {
        self.to_backend = Pipe::holding(from_client);
        self.to_client = Pipe::holding(from_backend);
        self
    }

    /// Carries the session to its end, and tells both sides. Not cancel safe.
    pub(crate) async fn run(mut self: Box<Self>, span: &Span) -> Ending {
        let client_tls = self.client.is_tls();
        let backend_tls = self.backend.is_tls();
        span.in_scope(|| {
            info!(
                client.tls = client_tls,
                backend.tls = backend_tls,
                "session established"
            );
        });
        let mut turns = Turns::default();
        let ending = poll_fn(|cx| self.poll(&mut turns, cx)).await;
        let (to_backend, to_client) = (self.to_backend.total(), self.to_client.total());
        self.admission
            .entry()
            .set_progress(Phase::Idle, to_backend, to_client);
        let duration_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        span.in_scope(|| {
            info!(
                bytes.to_backend = to_backend,
                bytes.to_client = to_client,
                duration_ms,
                "session ended"
            );
        });
        if let Some(oversight) = &mut self.oversight
            && let Err(error) = oversight.end(ending.as_str(), to_client, to_backend)
        {
            span.in_scope(|| {
                warn!(
                    error = chain(&error),
                    "the session's end is not in the audit log"
                );
            });
        }
        self.part(ending).await
    }

    fn poll(&mut self, turns: &mut Turns, cx: &mut Context<'_>) -> Poll<Ending> {
        let order = self.admission.entry().listen(cx.waker());
        let sides = turns.of(cx.waker());
        if (sides.up.is_due() || self.to_backend.waits_for_inspector())
            && let Poll::Ready(ending) = self.poll_upward(&mut sides.up.context())
        {
            return Poll::Ready(ending);
        }
        let downward = if sides.down.is_due() || self.to_client.waits_for_inspector() {
            self.poll_downward(&mut sides.down.context())
        } else {
            Poll::Pending
        };
        match downward {
            Poll::Pending => {}
            Poll::Ready(Ok(_)) if self.conversation.end_was_announced() => {
                return Poll::Ready(Ending::Orderly);
            }
            // A client that has closed its side of the connection expects the server to follow.
            Poll::Ready(Ok(ended)) if ended.cause.is_none() && self.upward == Upward::Closed => {
                return Poll::Ready(Ending::Orderly);
            }
            Poll::Ready(Ok(ended)) => {
                let told = self.conversation.client_can_be_told();
                return Poll::Ready(Ending::BackendLost {
                    cause: ended.cause,
                    told,
                });
            }
            Poll::Ready(Err(PipeError::Write(error))) => {
                return Poll::Ready(self.client_gone(error));
            }
            Poll::Ready(Err(PipeError::Inspect(error))) => {
                return Poll::Ready(Ending::of(error, Ending::BackendMalformed));
            }
        }
        if let Poll::Ready(ending) = self.poll_limits(cx) {
            return Poll::Ready(ending);
        }
        let phase = self.conversation.phase();
        self.admission
            .entry()
            .set_progress(phase, self.to_backend.total(), self.to_client.total());
        match order {
            Order::Serve => Poll::Pending,
            Order::Drain if phase == Phase::Idle && self.nothing_under_way() => {
                Poll::Ready(Ending::Drained)
            }
            Order::Drain => Poll::Pending,
            Order::Terminate => Poll::Ready(Ending::Terminated),
        }
    }

    /// Moves the direction from server to client.
    fn poll_downward(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Ended, PipeError<RelayError>>> {
        let mut inspect = FromServer(Half {
            conversation: &mut self.conversation,
            oversight: self.oversight.as_deref_mut(),
            cx: &mut Context::from_waker(cx.waker()),
        });
        self.to_client
            .poll(cx, &mut self.backend, &mut self.client, &mut inspect)
    }

    /// Looks after what runs too long, and lets the client's side go on where it waited for an answer
    /// that has come.
    fn poll_limits(&mut self, cx: &mut Context<'_>) -> Poll<Ending> {
        let Some(oversight) = &mut self.oversight else {
            return Poll::Pending;
        };
        if oversight.client_may_go_on() {
            cx.waker().wake_by_ref();
        }
        let Some(deadline) = oversight.deadline() else {
            self.timer = None;
            return Poll::Pending;
        };
        let (_, sleep) = match &mut self.timer {
            Some(timer) if timer.0 == deadline => timer,
            timer => timer.insert((deadline, Box::pin(sleep_until(deadline)))),
        };
        if sleep.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        self.timer = None;
        cx.waker().wake_by_ref();
        match oversight.deadline_passed() {
            Ok(()) => Poll::Pending,
            Err(error) => Poll::Ready(Ending::Ungoverned(error)),
        }
    }

    /// Moves the direction from client to server, and closes it behind the client.
    fn poll_upward(&mut self, cx: &mut Context<'_>) -> Poll<Ending> {
        if self.upward == Upward::Open {
            let mut inspect = FromClient(Half {
                conversation: &mut self.conversation,
                oversight: self.oversight.as_deref_mut(),
                cx: &mut Context::from_waker(cx.waker()),
            });
            match self
                .to_backend
                .poll(cx, &mut self.client, &mut self.backend, &mut inspect)
            {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(ended)) => {
                    if let Some(error) = ended.cause {
                        return Poll::Ready(self.client_gone(error));
                    }
                    self.upward = Upward::Ended;
                }
                Poll::Ready(Err(PipeError::Write(_))) => self.upward = Upward::Broken,
                Poll::Ready(Err(PipeError::Inspect(error))) => {
                    return Poll::Ready(Ending::of(error, Ending::ClientMalformed));
                }
            }
        }
        if self.upward == Upward::Ended && Pin::new(&mut self.backend).poll_shutdown(cx).is_ready()
        {
            self.upward = Upward::Closed;
        }
        Poll::Pending
    }

    fn client_gone(&self, error: io::Error) -> Ending {
        if self.conversation.end_was_announced() {
            Ending::Orderly
        } else {
            Ending::ClientLost(error)
        }
    }

    fn nothing_under_way(&self) -> bool {
        self.to_backend.is_empty() && self.to_client.is_empty()
    }

    /// Tells each side what it can still be told, and closes both.
    async fn part(self: Box<Self>, ending: Ending) -> Ending {
        let last_words = ending.last_words();
        let client_can_be_told =
            self.conversation.client_can_be_told() && self.to_client.is_delivered();
        let server_can_be_told =
            self.conversation.server_can_be_told() && self.to_backend.is_delivered();
        let Self {
            client, backend, ..
        } = *self;
        let part_from_server = async {
            // A server in the middle of a message, or gone, is told enough by the close.
            if server_can_be_told && ending.leaves_the_server() {
                let mut goodbye = Vec::new();
                terminate(&mut goodbye);
                backend.farewell(&goodbye).await;
            }
        };
        let part_from_client = async {
            match last_words {
                Some(response) if client_can_be_told => {
                    let mut message = Vec::new();
                    response.encode(&mut message);
                    client.farewell(&message).await;
                }
                // Cut within a message, and the client must see that it was.
                Some(_) => client.abort(),
                None if matches!(ending, Ending::Orderly) => client.farewell(b"").await,
                None => drop(client),
            }
        };
        tokio::join!(part_from_server, part_from_client);
        ending
    }
}

impl Ending {
    fn of(error: RelayError, malformed: fn(FrameError) -> Self) -> Self {
        match error {
            RelayError::Frame(error) => malformed(error),
            other => Self::Ungoverned(other),
        }
    }

    /// Its word in the audit log.
    fn as_str(&self) -> &'static str {
        match self {
            Self::Orderly => "orderly",
            Self::ClientLost(_) => "client_lost",
            Self::BackendLost { .. } => "backend_lost",
            Self::ClientMalformed(_) => "client_malformed",
            Self::BackendMalformed(_) => "backend_malformed",
            Self::Ungoverned(_) => "ungoverned",
            Self::Drained => "drained",
            Self::Terminated => "terminated",
        }
    }

    /// Whether it is the gateway that ends the session, so that the server does not know yet.
    fn leaves_the_server(&self) -> bool {
        match self {
            Self::Orderly | Self::ClientLost(_) | Self::BackendLost { .. } => false,
            Self::ClientMalformed(_) => true,
            Self::BackendMalformed(_) => true,
            Self::Ungoverned(_) => true,
            Self::Drained => true,
            Self::Terminated => true,
        }
    }

    /// What the client is told.
    fn last_words(&self) -> Option<ErrorResponse> {
        let fatal = |code, message: &str| ErrorResponse::new(Severity::Fatal, code, message);
        match self {
            Self::Orderly | Self::ClientLost(_) => None,
            Self::BackendLost { .. } => Some(
                fatal(
                    SqlState::CONNECTION_FAILURE,
                    "the database server closed the connection unexpectedly",
                )
                .hint(
                    "The server ended abnormally, or the network between gateway and server broke. \
                     Connect again; a statement that was running may or may not have taken effect.",
                ),
            ),
            Self::ClientMalformed(error) => Some(fatal(
                SqlState::PROTOCOL_VIOLATION,
                &format!("malformed message from the client: {error}"),
            )),
            Self::BackendMalformed(_) => Some(fatal(
                SqlState::PROTOCOL_VIOLATION,
                "malformed message from the database server",
            )),
            Self::Ungoverned(error) => Some(ungoverned(error)),
            Self::Drained | Self::Terminated => Some(
                fatal(
                    SqlState::ADMIN_SHUTDOWN,
                    "terminating connection because the gateway is shutting down",
                )
                .hint("Connect again."),
            ),
        }
    }

    /// One line in the log, one count in the metrics, for what was not in order.
    pub(crate) fn report(&self, metrics: &Metrics) {
        match self {
            Self::Orderly | Self::Drained => {}
            Self::ClientLost(error) => {
                metrics.session_broken("client_lost");
                info!(%error, "connection to the client lost");
            }
            Self::BackendLost { cause, told } => {
                metrics.session_broken("backend_lost");
                let cause = cause.as_ref().map(tracing::field::display);
                warn!(
                    cause,
                    client_told = told,
                    "backend closed the connection unexpectedly"
                );
            }
            Self::ClientMalformed(error) => {
                metrics.session_broken("client_malformed");
                info!(%error, "malformed message from the client");
            }
            Self::BackendMalformed(error) => {
                metrics.session_broken("backend_malformed");
                warn!(%error, "malformed message from the backend");
            }
            Self::Ungoverned(error) => {
                metrics.session_broken("ungoverned");
                warn!(
                    error = chain(error),
                    "session ended: it can't be overseen any more"
                );
            }
            Self::Terminated => {
                metrics.session_broken("terminated");
                warn!("session terminated: it was not idle before the drain timeout");
            }
        }
    }
}

/// What a client is told whose session can't be overseen any more.
fn ungoverned(error: &RelayError) -> ErrorResponse {
    let fatal = |code, message: &str| ErrorResponse::new(Severity::Fatal, code, message);
    match error {
        RelayError::Audit(_) => fatal(
            SqlState::IO_ERROR,
            "the audit record of a statement could not be kept",
        )
        .detail("The statement that ran last may have taken effect.")
        .hint("The gateway can't write its audit log. Its operator has to look after the disk."),
        RelayError::NotCancelled => fatal(
            SqlState::QUERY_CANCELED,
            "a statement that had reached a limit did not end when it was cancelled",
        ),
        RelayError::CutLate => fatal(
            SqlState::PROGRAM_LIMIT_EXCEEDED,
            "a statement reached a limit, and statements sent behind it may have run",
        )
        .hint("Wait for the answer before you send the next statement."),
        RelayError::CopyInDoubt => fatal(
            SqlState::PROTOCOL_VIOLATION,
            "a COPY failed, and a Sync was sent amid its data",
        )
        .hint("Send Sync behind CopyDone or CopyFail."),
        RelayError::LexerChanged { .. } => fatal(
            SqlState::INSUFFICIENT_PRIVILEGE,
            "a setting that changes how SQL is read changed while statements were on their way",
        )
        .hint("Wait for the answer before you send the next statement."),
        RelayError::Frame(_) | RelayError::Message { .. } => {
            fatal(SqlState::PROTOCOL_VIOLATION, "malformed message")
        }
        RelayError::OutOfStep { .. } => fatal(
            SqlState::PROTOCOL_VIOLATION,
            "the database server answered what it was not asked",
        ),
    }
}
