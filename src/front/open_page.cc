#include "front/open_page.h"

namespace latchkey::front {

namespace {

constexpr Words kTitle = {"Your device", "お使いの機器"};

constexpr std::string_view kScript = R"js((async () => {
  const show = (id) => {
    for (const part of document.querySelectorAll('main > p')) part.hidden = part.id !== id;
  };
  const [ticket, where] = location.hash.slice(1).split('&');
  const home = where === 'home';
  history.replaceState(null, '', location.pathname);
  if (!ticket || ticket.startsWith('nonce=')) {
    show('again');
    return;
  }
  try {
    const answer = await fetch('/.well-known/latchkey/session', {
      method: 'POST', headers: {Authorization: 'Bearer ' + ticket}, redirect: 'error'});
    if (answer.status === 204) {
      location.replace(home ? '/.well-known/latchkey/home' : '/');
      return;
    }
    const body = await answer.json();
    if (body.error === 'nonce_required') {
      history.replaceState(null, '', location.pathname + '#nonce=' + body.nonce + (home ? '&home' : ''));
    }
    show('again');
  } catch {
    show('silent');
  }
})();)js";

constexpr Words kOpening = {"Opening your device.", "機器を開いています。"};
constexpr Words kAgain = {"Please open this device from Latchkey in your browser once more.",
                          "ブラウザーの Latchkey から、この機器をもう一度開いてください。"};
constexpr Words kSilent = {
    "The device did not answer. Check that it is switched on and try again.",
    "機器が応答しません。電源が入っているか確かめて、もう一度お試しください。"};
constexpr Words kSignIn = {"Sign in to this device", "この機器にサインインする"};
constexpr Words kHow = {
    "Click Latchkey in your browser's toolbar and choose this device. There is no password.",
    "ブラウザーのツールバーで Latchkey "
    "をクリックし、この機器を選んでください。パスワードはありません。"};
constexpr Words kOther = {
    "On another computer, or as another person? Add the device in Latchkey there; it asks for a "
    "code that the device shows.",
    "別のパソコン、または別の方ですか。そちらの Latchkey で機器を追加してください。"
    "機器に表示されるコードが必要です。"};
constexpr Words kFresh = {"Please sign in once more", "もう一度サインインしてください"};
constexpr Words kFreshWhy = {
    "This needs to be you, just now. Click Latchkey in your browser's toolbar, choose this device, "
    "and try again.",
    "この操作には、今サインインした状態が必要です。ツールバーの Latchkey からこの機器を開き、"
    "もう一度お試しください。"};

std::string paragraph(std::string_view attributes, std::string_view text) {
  return "<p" + std::string(attributes) + ">" + std::string(text) + "</p>";
}

std::string heading(std::string_view text) {
  return "<h1>" + std::string(text) + "</h1>";
}

Answer marked(Answer answer) {
  answer.fields.add(kSignInField, "1");
  return answer;
}

}  // namespace

Answer open_page(Language language) {
  return make_page({.title = kTitle,
                    .body = paragraph(" id=\"opening\" role=\"status\"", kOpening.in(language)) +
                            paragraph(" id=\"again\" role=\"status\" hidden", kAgain.in(language)) +
                            paragraph(" id=\"silent\" role=\"alert\" hidden", kSilent.in(language)),
                    .script = kScript},
                   language);
}

Answer sign_in_page(Language language) {
  return marked(
      make_page({.status = 401,
                 .title = kTitle,
                 .body = heading(kSignIn.in(language)) + paragraph("", kHow.in(language)) +
                         paragraph(" class=\"quiet\"", kOther.in(language)),
                 .script = {}},
                language));
}

Answer sign_in_again_page(Language language) {
  return marked(
      make_page({.status = 401,
                 .title = kTitle,
                 .body = heading(kFresh.in(language)) + paragraph("", kFreshWhy.in(language)),
                 .script = {}},
                language));
}

}  // namespace latchkey::front
