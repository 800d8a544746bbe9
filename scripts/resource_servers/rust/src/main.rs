//! An API that accepts every kind of credential by introspection, with the crate oauth2.

use std::{env, net::IpAddr, sync::Arc, thread, time::Duration};

use oauth2::basic::{
    BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenResponse, BasicTokenType,
};
use oauth2::{
    ureq, AccessToken, Client, ClientId, ClientSecret, EndpointNotSet, EndpointSet,
    ExtraTokenFields, IntrospectionUrl, StandardRevocableToken, StandardTokenIntrospectionResponse,
    TokenIntrospectionResponse,
};
use serde::{Deserialize, Serialize};
use serde_json::{json, Value};
use tiny_http::{Header, Method, Request, Response, Server};

const TIMEOUT: Duration = Duration::from_secs(5);
const THREADS: usize = 8;

/// What a token is bound to: this API does not check it, so such a token is refused (RFC 9449 §7.2).
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Binding {
    cnf: Option<Value>,
}

impl ExtraTokenFields for Binding {}

type Answer = StandardTokenIntrospectionResponse<Binding, BasicTokenType>;
type Introspection = Client<
    BasicErrorResponse,
    BasicTokenResponse,
    Answer,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
>;

enum Refusal {
    NothingSent,
    InvalidRequest,
    InvalidToken,
    InsufficientScope(&'static str),
    Unavailable,
}

impl Refusal {
    /// The status, and a challenge (RFC 6750 §3) or when to try again.
    fn answer(&self) -> (u16, &'static str, String) {
        match self {
            Refusal::NothingSent => (401, "WWW-Authenticate", "Bearer".into()),
            Refusal::InvalidRequest => (
                400,
                "WWW-Authenticate",
                r#"Bearer error="invalid_request""#.into(),
            ),
            Refusal::InvalidToken => (
                401,
                "WWW-Authenticate",
                r#"Bearer error="invalid_token""#.into(),
            ),
            Refusal::InsufficientScope(scope) => (
                403,
                "WWW-Authenticate",
                format!(r#"Bearer error="insufficient_scope", scope="{scope}""#),
            ),
            Refusal::Unavailable => (503, "Retry-After", "1".into()),
        }
    }
}

struct Guard {
    introspection: Introspection,
    http: ureq::Agent,
    resource: String,
}

impl Guard {
    fn from_environment() -> Guard {
        let url = format!("{}/oauth/introspect", setting("ISSUER"));
        let introspection = Client::new(ClientId::new(setting("CLIENT_ID")))
            .set_client_secret(ClientSecret::new(setting("CLIENT_SECRET")))
            .set_introspection_url(IntrospectionUrl::new(url).expect("ISSUER is a URL"));
        let http = ureq::AgentBuilder::new()
            .timeout(TIMEOUT)
            .redirects(0)
            .build();
        Guard {
            introspection,
            http,
            resource: setting("RESOURCE"),
        }
    }

    fn require_scope(&self, request: &Request, scope: &'static str) -> Result<Answer, Refusal> {
        let address = request.remote_addr().map(|address| address.ip());
        let answer = self.introspect(sent_token(request)?, address)?;
        let audience = answer.aud().is_some_and(|all| all.contains(&self.resource));
        if !answer.active() || !audience || answer.extra_fields().cnf.is_some() {
            return Err(Refusal::InvalidToken);
        }
        if !answer
            .scopes()
            .is_some_and(|all| all.iter().any(|one| one.as_str() == scope))
        {
            return Err(Refusal::InsufficientScope(scope));
        }
        Ok(answer)
    }

    /// Send the caller's address too: an API key may be bound to networks.
    fn introspect(&self, token: String, address: Option<IpAddr>) -> Result<Answer, Refusal> {
        let token = AccessToken::new(token);
        let mut request = self.introspection.introspect(&token);
        if let Some(address) = address {
            request = request.add_extra_param("client_ip", address.to_string());
        }
        request
            .request(&self.http)
            .map_err(|_| Refusal::Unavailable)
    }
}

fn sent_token(request: &Request) -> Result<String, Refusal> {
    let values = |name: &'static str| -> Vec<&str> {
        let all = request
            .headers()
            .iter()
            .filter(|header| header.field.equiv(name));
        all.map(|header| header.value.as_str()).collect()
    };
    match (&values("Authorization")[..], &values("X-API-Key")[..]) {
        ([], [key]) => Ok(key.to_string()),
        ([authorization], []) => match authorization.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
                Ok(token.trim().into())
            }
            _ => Err(Refusal::NothingSent),
        },
        ([], []) => Err(Refusal::NothingSent),
        _ => Err(Refusal::InvalidRequest),
    }
}

fn header(name: &str, value: &str) -> Header {
    Header::from_bytes(name, value).expect("a header of ASCII")
}

/// The holder is null for an API key, which has no `sub`: it stands for nobody.
fn list_orders(caller: &Answer) -> Value {
    json!({"orders": ["one apple"], "holder": caller.sub()})
}

fn serve(guard: &Guard, request: Request) {
    let known =
        *request.method() == Method::Get && request.url().split('?').next() == Some("/orders");
    let answered = match known.then(|| guard.require_scope(&request, "orders:read")) {
        None => request.respond(Response::empty(404)),
        Some(Ok(caller)) => {
            let body = Response::from_string(list_orders(&caller).to_string());
            request.respond(body.with_header(header("Content-Type", "application/json")))
        }
        Some(Err(refusal)) => {
            let (status, name, value) = refusal.answer();
            request.respond(Response::empty(status).with_header(header(name, &value)))
        }
    };
    let _ = answered; // a caller that hung up needs no answer
}

fn setting(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

fn main() {
    let guard = Arc::new(Guard::from_environment());
    let server =
        Arc::new(Server::http(format!("127.0.0.1:{}", setting("PORT"))).expect("PORT is free"));
    let threads = (0..THREADS).map(|_| {
        let (guard, server) = (guard.clone(), server.clone());
        thread::spawn(move || {
            server
                .incoming_requests()
                .for_each(|request| serve(&guard, request))
        })
    });
    threads
        .collect::<Vec<_>>()
        .into_iter()
        .for_each(|thread| thread.join().expect("no thread ends"));
}
