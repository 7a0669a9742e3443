// Signing in at a direct host.
#pragma once

#include "front/page.h"

namespace latchkey::front {

// With it, and status 401, the device says that a page is wanted that needs a session. Nobody else
// can say so on a direct host: it is taken out of the service's answers.
inline constexpr std::string_view kSignInField = "Latchkey-Sign-In";

// `/.well-known/latchkey/open#<ticket>`, or `#<ticket>&home`: takes the fragment out of the
// history, posts it as a ticket, goes to `/`, or to the device's own page. Where the device asks
// for a nonce, the fragment becomes `#nonce=<base64url>` (and `&home`), which the extension answers
// with a fresh ticket. Runs this one script and nothing else.
Answer open_page(Language language);

// What a person sees who comes without a session: 401 and `Latchkey-Sign-In: 1`.
Answer sign_in_page(Language language);

// Who has a session, but not from just now, and wants what needs one: the same marks.
Answer sign_in_again_page(Language language);

}  // namespace latchkey::front
