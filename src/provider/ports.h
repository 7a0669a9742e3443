// What the provider's rules need from outside.
#pragma once

#include <string>

#include "base/origin.h"
#include "provider/records.h"

namespace latchkey::provider {

inline constexpr std::size_t kMaxWellKnown = 16384;
inline constexpr std::string_view kWellKnownPath = "/.well-known/latchkey-origin.json";

// Gets a web origin's own description of itself, over HTTPS with its certificate checked.
class WellKnown {
 public:
  virtual ~WellKnown() = default;
  // At most kMaxWellKnown bytes of an answer 200, from no other place than the origin itself: no
  // redirect is followed, and no address within a private network is asked (unless the operator
  // allows that). kUnreachable, with a sentence that says what the web service has to change.
  virtual Result<std::string> fetch(const Origin& origin) = 0;
};

}  // namespace latchkey::provider
