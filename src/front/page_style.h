// The one style sheet of the device's pages. The colours are the extension's
// (extension/src/ui/base.css).
#pragma once

#include <string_view>

namespace latchkey::front {

inline constexpr std::string_view kPageStyle = R"css(
:root{color-scheme:light dark;--ground:#f6f7f9;--sheet:#fff;--ink:#1b1f27;--quiet:#565e6c;
--line:#d9dde4;--accent:#1a5fb4;--on-accent:#fff;--soft:#e7f0fb;--bad:#a32020}
@media(prefers-color-scheme:dark){:root{--ground:#16191f;--sheet:#1f242c;--ink:#eceff4;
--quiet:#a9b1bf;--line:#363d49;--accent:#8ab8f5;--on-accent:#0d1b2e;--soft:#22344c;--bad:#f4a19c}}
*{box-sizing:border-box}[hidden]{display:none!important}
body{margin:0;background:var(--ground);color:var(--ink);overflow-wrap:anywhere;
font:400 15px/1.5 system-ui,-apple-system,'Segoe UI','Noto Sans','Noto Sans JP',sans-serif}
main{max-width:44rem;margin:0 auto;padding:32px 20px 48px}
main:not(:has(section)){max-width:30rem;padding-top:14vh}
h1{font-size:24px;line-height:1.25;margin:0 0 8px;font-weight:600;text-wrap:balance;
word-break:auto-phrase}
h2{font-size:16px;margin:0 0 8px;font-weight:600}
p{margin:0 0 12px}.quiet{color:var(--quiet)}.small-text{font-size:13px}
section{background:var(--sheet);border:1px solid var(--line);border-radius:12px;
padding:20px;margin:20px 0 0}
ul{list-style:none;margin:0;padding:0}li{padding:10px 0;border-top:1px solid var(--line)}
li:first-child{border-top:0;padding-top:0}li:last-child{padding-bottom:0}
li b{font-weight:600}.row{display:grid;grid-template-columns:1fr auto;gap:0 16px}
.row>:last-child{color:var(--quiet)}#people .row{grid-template-columns:1fr}#events b{font-weight:400}
ul+details{margin-top:12px}details li:first-child{border-top:1px solid var(--line);padding-top:10px}
ul+p,details+p{margin-top:12px}section>p:last-child{margin-bottom:0}
.tag{background:var(--soft);border-radius:8px;padding:1px 8px;margin-left:8px;font-size:13px}
button,a.button{font:inherit;font-weight:600;border:1px solid transparent;border-radius:8px;
padding:8px 16px;background:var(--accent);color:var(--on-accent);cursor:pointer;
text-decoration:none;display:inline-block}
button.plain,a.plain{background:none;color:var(--accent);border-color:var(--line)}
button.bad{background:none;color:var(--bad);border-color:var(--bad)}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
summary{cursor:pointer;color:var(--accent)}details[open] summary{margin-bottom:12px}
form{display:inline-block;margin:0 8px 0 0}
.code{font-size:40px;font-weight:600;letter-spacing:.06em;font-variant-numeric:tabular-nums;
margin:16px 0;text-align:center;background:var(--soft);border-radius:12px;padding:16px 8px}
@media(max-width:34rem){.row{grid-template-columns:1fr}}
@media(max-width:26rem){main{padding:20px 12px 32px}section{padding:16px}.code{font-size:32px}}
)css";

// The tab's picture, the extension's own (extension/icons). It stands in the page: a browser that
// is told of none asks the host for one, against the page's own policy.
inline constexpr std::string_view kPageIcon =
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 128 128'%3E"
    "%3Crect x='4' y='4' width='120' height='120' rx='28' fill='%231a5fb4'/%3E"
    "%3Cpath d='M28 62 64 30l36 32v36a6 6 0 0 1-6 6H34a6 6 0 0 1-6-6z' fill='%23fff'/%3E"
    "%3Ccircle cx='64' cy='66' r='10' fill='%231a5fb4'/%3E"
    "%3Cpath d='M60 72h8l4 20H56z' fill='%231a5fb4'/%3E%3C/svg%3E";

}  // namespace latchkey::front
