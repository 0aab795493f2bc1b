//! What the server refuses: its own errors, and those that it was made to give.

use querycop_audit::{Outcome, Via};
use querycop_wire::SqlState;
use querycop_wire::error_response::{ErrorResponse, ErrorView};

use super::expected::{Copy, Expected, InDoubt};
use super::refused::Refused;
use super::run::Run;
use super::{Oversight, RelayError, Step};

/// What an error of the server is to the client.
enum Words {
    /// The server's.
    Theirs,
    /// Ours.
    Ours(ErrorResponse),
}

impl Oversight {
    /// The server has refused something.
    pub(super) fn failed(&mut self, body: &[u8]) -> Result<Step, RelayError> {
        let error = ErrorView::decode(body).ok();
        let code = error.and_then(|error| error.code()).unwrap_or("XX000");
        self.judge.search_path.failed();
        let words = self.words(body);
        let copy = self.running().map_or(Copy::NotBegun, |run| run.copy);
        match self.queue.pop() {
            Some(Expected::Query(run)) => {
                self.queue.query_failed(copy).map_err(in_doubt)?;
                self.query_failed(run, code)?;
            }
            Some(Expected::FunctionCall(mut run)) => {
                let refused = run.refused.as_ref().map(Refused::code);
                let outcome = outcome_of(refused.as_ref(), code);
                self.record(&mut run, None, 0, outcome)?;
                run.advance();
                self.queue.put_back(Expected::FunctionCall(run));
            }
            Some(Expected::Execute { portal, run }) => {
                self.execute_failed(&portal, run, code)?;
                self.skip(copy)?;
            }
            Some(Expected::Parse { name, mut run, .. }) => {
                self.prepared.failed(&name);
                let refused = run.refused.as_ref().map(Refused::code);
                let outcome = outcome_of(refused.as_ref(), code);
                self.record(&mut run, None, 0, outcome)?;
                self.skip(copy)?;
            }
            Some(Expected::Bind {
                portal,
                bound,
                refused,
            }) => {
                self.not_bound(&portal, &bound);
                self.bind_failed(&portal, refused, code)?;
                self.skip(copy)?;
            }
            Some(Expected::Describe | Expected::Close(_)) => self.skip(copy)?,
            // The transaction that ends with it could not be committed; or the server says goodbye.
            Some(sync @ Expected::Sync(_)) => {
                self.queue.put_back(sync);
                let mut commit = Run::new(Via::Sync, None, None);
                self.record(&mut commit, None, 0, Outcome::Failed { sqlstate: code })?;
            }
            None => {}
        }
        if let Some(cut) = &mut self.cut {
            if cut.told {
                return Ok(Step::Replace(Vec::new()));
            }
            cut.told = true;
        }
        Ok(match words {
            Words::Theirs => Step::Pass,
            Words::Ours(response) => {
                let mut put = Vec::new();
                response.encode(&mut put);
                Step::Replace(put)
            }
        })
    }

    /// Whose words the client gets for an error.
    fn words(&mut self, body: &[u8]) -> Words {
        let theirs_or =
            |response: Option<ErrorResponse>| response.map_or(Words::Theirs, Words::Ours);
        if let Some(cut) = &self.cut {
            // Only the answer to our own request is ours to put in other words.
            let is_cancelled = ErrorView::decode(body)
                .ok()
                .is_some_and(|error| error.code() == Some("57014"));
            return theirs_or(is_cancelled.then(|| cut.reached.response()));
        }
        let nonce = self.nonce.as_bytes();
        let is_ours = body.windows(nonce.len()).any(|window| window == nonce);
        if !is_ours {
            return Words::Theirs;
        }
        let refused = match self.queue.front() {
            Some(Expected::Parse { run, .. }) => run.refused.as_ref(),
            Some(Expected::Bind { refused, .. }) => {
                refused.as_ref().and_then(|run| run.refused.as_ref())
            }
            _ => self.running().and_then(|run| run.refused.as_ref()),
        };
        theirs_or(refused.map(Refused::response))
    }

    fn query_failed(&mut self, mut run: Run, code: &str) -> Result<(), RelayError> {
        let failed = match &run.refused {
            Some(refused) => refused.place,
            None => run.next,
        };
        let refused = run.refused.as_ref().map(Refused::code);
        let outcome = outcome_of(refused.as_ref(), code);
        self.count(None, &run, &outcome);
        let text = run.text.clone();
        let count = text.as_ref().map_or(1, |text| text.len()).max(1);
        for place in run.next..count.max(failed + 1) {
            let outcome = if place == failed {
                outcome
            } else {
                Outcome::Skipped
            };
            self.record(&mut run, text.as_deref(), place, outcome)?;
        }
        run.next = count;
        self.not_prepared(&mut run);
        self.queue.put_back(Expected::Query(run));
        Ok(())
    }

    fn bind_failed(
        &mut self,
        portal: &[u8],
        refused: Option<Box<Run>>,
        code: &str,
    ) -> Result<(), RelayError> {
        if let Some(mut run) = refused {
            let refused = run.refused.as_ref().map(Refused::code);
            let outcome = outcome_of(refused.as_ref(), code);
            self.record(&mut run, None, 0, outcome)?;
            return Ok(());
        }
        // That is why what was to run next in it didn't.
        match self.queue.take_next_execute(portal) {
            Some(run) => self.execute_failed(portal, run, code),
            None => Ok(()),
        }
    }

    fn execute_failed(
        &mut self,
        portal: &[u8],
        mut run: Run,
        code: &str,
    ) -> Result<(), RelayError> {
        let text = self.text_of(portal, &run);
        let refused = run.refused.as_ref().map(Refused::code);
        let outcome = outcome_of(refused.as_ref(), code);
        let place = run.next;
        self.count(Some(portal), &run, &outcome);
        self.record(&mut run, text.as_deref(), place, outcome)?;
        self.not_prepared(&mut run);
        Ok(())
    }

    /// After an error in the extended protocol the server skips to the next Sync.
    fn skip(&mut self, copy: Copy) -> Result<(), RelayError> {
        for skipped in self.queue.skipped(copy).map_err(in_doubt)? {
            self.unanswered(skipped, Outcome::Skipped)?;
        }
        self.next_turn();
        Ok(())
    }
}

fn in_doubt(_: InDoubt) -> RelayError {
    RelayError::CopyInDoubt
}

/// What the server's error means for a run: if that was refused, that it was.
fn outcome_of<'c>(refused: Option<&'c SqlState>, code: &'c str) -> Outcome<'c> {
    match refused {
        Some(refused) => Outcome::Denied {
            sqlstate: refused.as_str(),
        },
        None => Outcome::Failed { sqlstate: code },
    }
}
