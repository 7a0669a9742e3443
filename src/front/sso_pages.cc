#include "front/sso_pages.h"

#include "front/sso.h"
#include "oidc/url.h"

namespace latchkey::front {

namespace {

constexpr Words kTitle = {"Your device", "お使いの機器"};

constexpr std::string_view kScript = R"js((async () => {
  const show = (id, then) => {
    for (const part of document.querySelectorAll('main > div')) part.hidden = part.id !== id;
    if (typeof then !== 'string') return;
    for (const link of document.querySelectorAll('a')) {
      const to = new URL(link.href);
      to.searchParams.set('return_to', then);
      link.href = to.href;
    }
  };
  const sent = new URLSearchParams(location.search);
  history.replaceState(null, '', location.pathname);
  const body = {};
  for (const name of ['state', 'code', 'iss', 'error']) {
    if (sent.has(name)) body[name] = sent.get(name);
  }
  try {
    const answer = await fetch('/.well-known/latchkey/sso/finish', {
      method: 'POST', redirect: 'error', body: JSON.stringify(body)});
    const said = await answer.json();
    if (answer.ok) {
      location.replace(said.return_to);
      return;
    }
    const what = said.error === 'not_allowed' ? 'foreign' : answer.status === 504 ? 'silent' : 'again';
    show(what, said.return_to);
  } catch {
    show('again');
  }
})();)js";

constexpr Words kComing = {"Signing you in.", "サインインしています。"};
constexpr Words kForeign = {"Ask the person it belongs to, or sign in as somebody else.",
                            "持ち主の方に確認するか、別の人としてサインインしてください。"};
constexpr Words kSilent = {
    "The sign-in service does not answer. Check that you are online and try again in a while.",
    "サインインのサービスが応答しません。インターネットにつながっているか確かめて、"
    "しばらくしてからもう一度お試しください。"};
constexpr Words kNeeded = {"Please sign in", "サインインしてください"};
constexpr Words kNeededWhy = {"This device wants to know who you are first.",
                              "この機器を使う前に、サインインが必要です。"};
constexpr Words kChoose = {"Where do you have an account?", "どのアカウントでサインインしますか。"};
constexpr Words kSignIn = {"Sign in", "サインイン"};
constexpr Words kNotYours = {"This is not for you to do on this device",
                             "この機器ではこの操作ができません"};
constexpr Words kNotForYou = {"This device is not set up for you",
                              "この機器はあなたには使えません"};
constexpr Words kFailed = {"You could not be signed in", "サインインできませんでした"};
constexpr Words kFailedWhy = {"Please try once more.", "もう一度お試しください。"};
constexpr Words kTryAgain = {"Try again", "もう一度試す"};
constexpr Words kSomebodyElse = {"Sign in as somebody else", "別の人としてサインインする"};

std::string paragraph(std::string_view attributes, std::string_view text) {
  return "<p" + std::string(attributes) + ">" + std::string(text) + "</p>";
}

std::string heading(std::string_view text) {
  return "<h1>" + std::string(text) + "</h1>";
}

std::string as_text_of_page(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

// Always a path of this very host; what goes into it is percent-encoded, so nothing of it is
// markup.
std::string start_link(std::string_view label, std::string_view then, std::string_view issuer = {},
                       bool anew = false) {
  std::string href = std::string(kSsoPath) + "/start";
  href += "?return_to=" + (oidc::is_local_path(then) ? oidc::form_encode(then) : "%2F");
  if (oidc::is_issuer(issuer)) {
    href += "&amp;issuer=" + oidc::form_encode(issuer);
  }
  if (anew) {
    href += "&amp;anew=1";
  }
  return "<p><a class=\"button\" href=\"" + href + "\">" + as_text_of_page(label) + "</a></p>";
}

// Why, and what to do about it.
std::string failure(std::string_view id, const Words& title, const Words& why,
                    const std::string& link, Language language) {
  return "<div id=\"" + std::string(id) + "\" role=\"alert\" hidden>" +
         heading(title.in(language)) + paragraph("", why.in(language)) + link + "</div>";
}

}  // namespace

Answer callback_page(Language language) {
  const std::string again = start_link(kTryAgain.in(language), "/");
  const std::string other = start_link(kSomebodyElse.in(language), "/", {}, true);
  return make_page(
      {.title = kTitle,
       .body = "<div id=\"coming\" role=\"status\">" + paragraph("", kComing.in(language)) +
               "</div>" + failure("again", kFailed, kFailedWhy, again, language) +
               failure("foreign", kNotForYou, kForeign, other, language) +
               failure("silent", kFailed, kSilent, again, language),
       .script = kScript},
      language);
}

Answer sso_needed_page(Language language, std::string_view then) {
  return make_page({.status = 401,
                    .title = kTitle,
                    .body = heading(kNeeded.in(language)) + paragraph("", kNeededWhy.in(language)) +
                            start_link(kSignIn.in(language), then),
                    .script = {}},
                   language);
}

Answer sso_choose_page(Language language, const std::vector<std::string>& issuers,
                       std::string_view then) {
  constexpr std::string_view kScheme = "https://";
  std::string links;
  for (const std::string& issuer : issuers) {
    links += start_link(std::string_view(issuer).substr(kScheme.size()), then, issuer);
  }
  return make_page(
      {.title = kTitle,
       .body = heading(kNeeded.in(language)) + paragraph("", kChoose.in(language)) + links,
       .script = {}},
      language);
}

Answer not_yours_page(Language language, std::string_view then) {
  return make_page({.status = 403,
                    .title = kTitle,
                    .body = heading(kNotYours.in(language)) + paragraph("", kForeign.in(language)) +
                            start_link(kSomebodyElse.in(language), then, {}, true),
                    .script = {}},
                   language);
}

Answer sso_failed_page(Language language, int status, const Again& again) {
  return make_page({.status = status,
                    .title = kTitle,
                    .body = heading(kFailed.in(language)) +
                            paragraph("", (status == 504 ? kSilent : kFailedWhy).in(language)) +
                            start_link(kTryAgain.in(language), again.then, again.issuer),
                    .script = {}},
                   language);
}

Answer logged_out_page(std::string_view issuer_origin) {
  Answer answer;
  answer.fields.add("Content-Type", "text/html; charset=utf-8");
  answer.fields.add("Cache-Control", "no-store");
  answer.fields.add(
      "Content-Security-Policy",
      "default-src 'none'; frame-ancestors " +
          (issuer_origin.empty() ? std::string("'none'") : std::string(issuer_origin)));
  answer.body = "<!doctype html><title>.</title>";
  return answer;
}

}  // namespace latchkey::front
