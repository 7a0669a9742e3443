#include "front/sso_pages.h"

#include "front/sso.h"
#include "oidc/url.h"

namespace latchkey::front {

namespace {

constexpr Words kTitle = {"Your device", "お使いの機器"};

constexpr std::string_view kScript = R"js((async () => {
  const show = (id) => {
    for (const part of document.querySelectorAll('main > p')) part.hidden = part.id !== id;
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
    show(said.error === 'not_allowed' ? 'foreign' : answer.status === 504 ? 'silent' : 'again');
  } catch {
    show('again');
  }
})();)js";

constexpr Words kComing = {"Signing you in.", "サインインしています。"};
constexpr Words kAgain = {
    "That did not work. Please open this device again and sign in once more.",
    "サインインできませんでした。この機器をもう一度開いて、やり直してください。"};
constexpr Words kForeign = {
    "You are signed in, but this device is not set up for you. Ask the person it belongs to.",
    "サインインしましたが、この機器はあなたが使えるように設定されていません。持ち主の方に確認してく"
    "ださい。"};
constexpr Words kSilent = {
    "The sign-in service does not answer. Check that you are online and try again in a while.",
    "サインインのサービスが応答しません。インターネットにつながっているか確かめて、しばらくしてから"
    "お"
    "試しください。"};
constexpr Words kNeeded = {"Please sign in", "サインインしてください"};
constexpr Words kNeededWhy = {"This device wants to know who you are first.",
                              "この機器を使う前に、サインインが必要です。"};
constexpr Words kSignIn = {"Sign in", "サインイン"};
constexpr Words kNotYours = {"This is not for you to do", "この操作はできません"};
constexpr Words kFailed = {"You could not be signed in", "サインインできませんでした"};
constexpr Words kFailedWhy = {"Please try again in a while.",
                              "しばらくしてから、もう一度お試しください。"};

std::string paragraph(std::string_view attributes, std::string_view text) {
  return "<p" + std::string(attributes) + ">" + std::string(text) + "</p>";
}

std::string heading(std::string_view text) {
  return "<h1>" + std::string(text) + "</h1>";
}

}  // namespace

Answer callback_page(Language language) {
  return make_page(
      {.title = kTitle,
       .body = paragraph(" id=\"coming\" role=\"status\"", kComing.in(language)) +
               paragraph(" id=\"again\" role=\"alert\" hidden", kAgain.in(language)) +
               paragraph(" id=\"foreign\" role=\"alert\" hidden", kForeign.in(language)) +
               paragraph(" id=\"silent\" role=\"alert\" hidden", kSilent.in(language)),
       .script = kScript},
      language);
}

Answer sso_needed_page(Language language, std::string_view then) {
  // Percent-encoded, so nothing of it is markup.
  const std::string where = oidc::is_local_path(then) ? oidc::form_encode(then) : "%2F";
  return make_page(
      {.status = 401,
       .title = kTitle,
       .body = heading(kNeeded.in(language)) + paragraph("", kNeededWhy.in(language)) +
               "<p><a class=\"button\" href=\"" + std::string(kSsoPath) +
               "/start?return_to=" + where + "\">" + std::string(kSignIn.in(language)) + "</a></p>",
       .script = {}},
      language);
}

Answer not_yours_page(Language language) {
  return make_page({.status = 403,
                    .title = kTitle,
                    .body = heading(kNotYours.in(language)) + paragraph("", kForeign.in(language)),
                    .script = {}},
                   language);
}

Answer sso_failed_page(Language language, int status) {
  return make_page(
      {.status = status,
       .title = kTitle,
       .body = heading(kFailed.in(language)) +
               paragraph("", status == 504 ? kSilent.in(language) : kFailedWhy.in(language)),
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
