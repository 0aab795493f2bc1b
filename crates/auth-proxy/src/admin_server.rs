//! What an operator may ask of the proxy: to quit, and what it is doing.

use hyper::body::{Bytes, Incoming};
use hyper::header::{HeaderValue, LOCATION};
use hyper::{Method, Request, StatusCode};

use crate::http_server::{Answer, Handler, not_found, text, typed};
use crate::shutdown::{StopHandle, Trigger};

/// What Go's runtime would profile and ours can't.
const UNAVAILABLE: [&str; 9] = [
    "allocs",
    "block",
    "goroutine",
    "heap",
    "mutex",
    "profile",
    "symbol",
    "threadcreate",
    "trace",
];

/// Answers on the admin port.
pub(crate) struct Admin {
    pub(crate) settings: crate::AdminServer,
    pub(crate) stop: StopHandle,
    /// The command line, as it was given.
    pub(crate) command_line: Vec<u8>,
}

impl Handler for Admin {
    async fn answer(&self, request: Request<Incoming>) -> Answer {
        let path = request.uri().path();
        match path {
            "/quitquitquit" if self.settings.quitquitquit => self.quit(request.method()),
            "/debug/pprof" if self.settings.debug => redirect("/debug/pprof/"),
            _ => match path.strip_prefix("/debug/pprof/") {
                Some(profile) if self.settings.debug => self.profile(profile),
                _ => not_found(),
            },
        }
    }
}

impl Admin {
    fn quit(&self, method: &Method) -> Answer {
        if method != Method::GET && method != Method::POST {
            return empty(StatusCode::BAD_REQUEST);
        }
        self.stop.stop(Trigger::Quit);
        empty(StatusCode::OK)
    }

    fn profile(&self, name: &str) -> Answer {
        match name {
            "" => typed(StatusCode::OK, "text/html; charset=utf-8", index()),
            "cmdline" => text(StatusCode::OK, self.command_line.clone()),
            name if UNAVAILABLE.contains(&name) => {
                text(StatusCode::NOT_IMPLEMENTED, unavailable(name))
            }
            _ => text(StatusCode::NOT_FOUND, "Unknown profile\n"),
        }
    }
}

fn index() -> String {
    format!(
        "<html>\n<head>\n<title>/debug/pprof/</title>\n</head>\n<body>\n<p>Profiles:</p>\n<ul>\n\
         <li><a href='cmdline?debug=1'>cmdline</a>: the command line of this program</li>\n</ul>\n\
         <p>This proxy is no Go program: {} are answered with 501. Use perf, which needs no \
         endpoint.</p>\n</body>\n</html>\n",
        UNAVAILABLE.join(", ")
    )
}

fn unavailable(name: &str) -> String {
    format!(
        "{name}: not available, since this proxy is no Go program. Profile it from outside, with \
         \"perf record -g -p PID\"; its symbols are in the binary.\n"
    )
}

fn empty(status: StatusCode) -> Answer {
    let mut answer = Answer::new(Bytes::new().into());
    *answer.status_mut() = status;
    answer
}

fn redirect(to: &'static str) -> Answer {
    let mut answer = empty(StatusCode::TEMPORARY_REDIRECT);
    let to = HeaderValue::from_static(to);
    answer.headers_mut().insert(LOCATION, to);
    answer
}
