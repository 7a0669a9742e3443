// Pages of single sign-on, on direct hosts.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "front/page.h"

namespace latchkey::front {

// Where the provider sends the person back: takes code and state out of the history, hands them
// over from this host's own page (the cookie does not come along with another site's link), and
// goes where the person wanted to.
Answer callback_page(Language language);
// 401: the owner wants to know who somebody is before the device serves them. `then`: a path of
// this host.
Answer sso_needed_page(Language language, std::string_view then);
// With whom, where the owner has named several. `issuers`: as they stand in the owner's file.
Answer sso_choose_page(Language language, const std::vector<std::string>& issuers,
                       std::string_view then);
// 403: somebody is signed in whom the owner did not name; somebody else may be. `then`: a path of
// this host.
Answer not_yours_page(Language language, std::string_view then);
// Where a sign-in begins once more. What is no local path, or no issuer, is left out.
struct Again {
  std::string then, issuer;
};
Answer sso_failed_page(Language language, int status, const Again& again);
// An empty page that may be shown in the provider's logout page (`issuer`: the provider, read
// already).
Answer logged_out_page(std::string_view issuer_origin);

}  // namespace latchkey::front
