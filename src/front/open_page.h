// Pages that the device shows to the person, on direct hosts.
#pragma once

#include "front/answers.h"

namespace latchkey::front {

// `/.well-known/latchkey/open#<ticket>`: takes the fragment out of the history, posts it as a
// ticket, goes to `/`. Where the device asks for a nonce, the fragment becomes
// `#nonce=<base64url>`, which the extension answers with a fresh ticket. Runs this one script and
// nothing else.
Answer open_page();

// What a person sees who comes without a session.
Answer sign_in_page();

}  // namespace latchkey::front
