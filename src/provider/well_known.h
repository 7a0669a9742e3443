// What a web origin says about itself in /.well-known/latchkey-origin.json:
//   {"v": 1, "origin": "https://video.example", "name": "Video Example", "icon": "/icon.png",
//    "contact": "mailto:admin@video.example"}
// `icon` may be left out. Whoever can put the file there speaks for the origin.
#pragma once

#include <string>
#include <string_view>

#include "base/origin.h"
#include "provider/records.h"

namespace latchkey::provider {

struct WellKnownFile {
  std::string name;     // cleaned, 1 to 64 bytes
  std::string icon;     // an absolute URL on the origin, or empty
  std::string contact;  // mailto: or https:
};
// kInvalid, with a sentence for whoever runs the web service.
Result<WellKnownFile> parse_well_known(std::string_view text, const Origin& origin);

// A name for display as it is shown: kInvalid where nothing can be seen of it, where it is over
// `max` bytes, or where cleaning would change it (somebody tries to look like somebody else).
Result<std::string> checked_name(std::string_view name, std::string_view what,
                                 std::size_t max = 64);
// "mailto:..." or "https://...", 1 to 300 visible ASCII characters; a bare e-mail address becomes
// the first.
Result<std::string> checked_contact(std::string_view contact);

}  // namespace latchkey::provider
