#include "front/open_page.h"

#include "base/encoding.h"
#include "crypto/hash.h"

namespace latchkey::front {

namespace {

constexpr std::string_view kStyle =
    "body{font:16px/1.5 system-ui,sans-serif;margin:15vh auto;max-width:32rem;padding:0 1rem;"
    "color:#1d2430;background:#fff}@media(prefers-color-scheme:dark){body{color:#e6e9ef;"
    "background:#14171c}}";

constexpr std::string_view kScript = R"js((async () => {
  const say = (text) => { document.getElementById('text').textContent = text; };
  const ticket = location.hash.slice(1);
  history.replaceState(null, '', location.pathname);
  if (!ticket || ticket.startsWith('nonce=')) {
    say('Please open this device from the Latchkey window.');
    return;
  }
  try {
    const answer = await fetch('/.well-known/latchkey/session', {
      method: 'POST', headers: {Authorization: 'Bearer ' + ticket}, redirect: 'error'});
    if (answer.status === 204) {
      location.replace('/');
      return;
    }
    const body = await answer.json();
    if (body.error === 'nonce_required') {
      history.replaceState(null, '', location.pathname + '#nonce=' + body.nonce);
    }
    say('Please open this device from the Latchkey window once more.');
  } catch {
    say('The device did not answer. Check that it is switched on and try again.');
  }
})();)js";

std::string csp_hash(std::string_view text) {
  return "'sha256-" + base64_encode(crypto::sha256(as_bytes(text))) + "'";
}

Answer page(int status, std::string_view text, std::string_view script) {
  Answer answer;
  answer.status = status;
  answer.fields.add("Content-Type", "text/html; charset=utf-8");
  answer.fields.add("Cache-Control", "no-store");
  answer.fields.add("Referrer-Policy", "no-referrer");
  std::string policy = "default-src 'none'; style-src " + csp_hash(kStyle) +
                       "; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
  if (!script.empty()) {
    policy += "; connect-src 'self'; script-src " + csp_hash(script);
  }
  answer.fields.add("Content-Security-Policy", policy);
  answer.body =
      "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width\"><title>Your device</title><style>";
  answer.body.append(kStyle).append("</style><p id=\"text\" role=\"status\">").append(text);
  answer.body.append("</p>");
  if (!script.empty()) {
    answer.body.append("<script>").append(script).append("</script>");
  }
  answer.body.append("</html>\n");
  return answer;
}

}  // namespace

Answer open_page() {
  return page(200, "Opening your device.", kScript);
}

Answer sign_in_page() {
  return page(401, "Please open this device from the Latchkey window in your browser.", {});
}

}  // namespace latchkey::front
