// Pages of single sign-on, on direct hosts.
#pragma once

#include <string_view>

#include "front/page.h"

namespace latchkey::front {

// Where the provider sends the person back: takes code and state out of the history, hands them
// over from this host's own page (the cookie does not come along with another site's link), and
// goes where the person wanted to.
Answer callback_page(Language language);
// 401: the owner wants to know who somebody is before the device serves them. `then`: a path of
// this host.
Answer sso_needed_page(Language language, std::string_view then);
// 403: somebody is signed in whom the owner did not name.
Answer not_yours_page(Language language);
Answer sso_failed_page(Language language, int status);
// An empty page that may be shown in the provider's logout page (`issuer`: the provider, read
// already).
Answer logged_out_page(std::string_view issuer_origin);

}  // namespace latchkey::front
