//! Pages for people: the landing page, the reference and the errors, without scripts or outside resources.

use std::fmt::Write as _;

use axum::extract::Path;
use axum::http::Uri;
use axum::response::Response;
use ledgerstone::core::{Code, Problem};

use crate::api::answer::{Answered, with_type};
use crate::api::parameters::Parameters;
use crate::api::route::{Answer, Kind, Route};
use crate::api::routes::ROUTES;
use crate::error_pages;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:56rem;margin:2rem auto;padding:0 1rem;\
    color:#1c1c1c;background:#fdfdfb}code,pre{font-family:ui-monospace,monospace;font-size:.92em}\
    h2{margin:2rem 0 .2rem;font-size:1.05rem}h2 b{color:#7a4b00}td,th{text-align:left;padding:.1rem .8rem .1rem 0;\
    vertical-align:top}th{font-weight:normal;color:#666}a{color:#1d4f91}pre{white-space:pre-wrap}\
    @media(prefers-color-scheme:dark){body{color:#e8e8e6;background:#171717}h2 b{color:#e0b060}a{color:#8ab4f0}}";

/// Answers the landing page.
pub(crate) async fn landing(uri: Uri) -> Answered {
    Parameters::of(&uri, &[])?;
    let links = [
        ("/reference", "the reference of this interface"),
        ("/openapi.json", "the same as an OpenAPI document"),
        ("/v1/head", "where the log stands"),
        ("/v1/events?direction=backwards&limit=20", "the newest events"),
        ("/v1/read-models", "the read models"),
        ("/health/ready", "whether this server is ready"),
        ("/metrics", "its metrics"),
        ("/errors", "the error codes"),
    ];
    let mut body = String::from("<h1>ledgerstone</h1><p>An event store with read models.</p><ul>");
    for (path, about) in links {
        let path = escaped(path);
        let _ = write!(body, "<li><a href=\"{path}\"><code>{path}</code></a> {about}");
    }
    body.push_str("</ul>");
    Ok(page("ledgerstone", &body))
}

/// Answers the reference page.
pub(crate) async fn reference(uri: Uri) -> Answered {
    Parameters::of(&uri, &[])?;
    let mut body = String::from(
        "<h1>Reference</h1><p>Drawn from the same table as the routes themselves; the schemas are in \
         <a href=\"/openapi.json\">the OpenAPI document</a>. Failures are \
         <a href=\"/errors\">problem documents with codes</a>. Every path under <code>/v1</code> takes the headers \
         <code>ledgerstone-tenant</code>, <code>x-correlation-id</code> and <code>x-ledgerstone-deadline-ms</code> (how \
         long the caller still waits), and <code>authorization: Bearer …</code> \
         where the server has a token. A body may be packed with <code>content-encoding: gzip</code>.</p>",
    );
    for route in ROUTES {
        describe(&mut body, route);
    }
    Ok(page("ledgerstone reference", &body))
}

fn describe(body: &mut String, route: &Route) {
    let path = escaped(route.path);
    let _ = write!(body, "<h2><b>{}</b> <code>{path}</code></h2>{}.", route.method, escaped(route.summary));
    body.push_str("<table>");
    for parameter in route.parameters {
        let kind = match parameter.kind {
            Kind::Text => "text".to_owned(),
            Kind::Texts => "text, any number of times".to_owned(),
            Kind::Whole => "whole number".to_owned(),
            Kind::Time => "time".to_owned(),
            Kind::Choice(choices) => choices.join(" or "),
            Kind::Json => "JSON".to_owned(),
        };
        let (name, about) = (parameter.name, escaped(parameter.about));
        let _ = write!(body, "<tr><th><code>{name}</code><td>{kind}<td>{about}");
    }
    if let Some(schema) = route.body {
        let _ = write!(body, "<tr><th>body<td><code>{schema}</code><td>");
    }
    let answer = match route.answer {
        Answer::Json(schema) | Answer::Events(schema) => schema,
        Answer::Other(media_type) => media_type,
    };
    let _ = write!(body, "<tr><th>answers<td><code>{answer}</code><td></table>");
}

/// Answers the list of the error codes.
pub(crate) async fn errors(uri: Uri) -> Answered {
    Parameters::of(&uri, &[])?;
    let mut body = String::from("<h1>Errors</h1><ul>");
    for code in Code::ALL {
        let _ = write!(body, "<li><a href=\"/errors/{code}\">{code}</a> {}", escaped(code.title()));
    }
    body.push_str("</ul>");
    Ok(page("ledgerstone errors", &body))
}

/// Answers the page of an error code.
pub(crate) async fn error(uri: Uri, Path(text): Path<String>) -> Answered {
    Parameters::of(&uri, &[])?;
    let code = error_pages::find(&text);
    let code = code.ok_or_else(|| Problem::not_found("there is no such error code; /errors lists them"))?;
    let body = format!("<pre>{}</pre><p><a href=\"/errors\">all codes</a>", escaped(error_pages::page(code)));
    Ok(page(code.as_str(), &body))
}

fn page(title: &str, body: &str) -> Response {
    let text = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style>{body}</html>"
    );
    with_type(text, "text/html; charset=utf-8")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
