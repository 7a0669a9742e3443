// Names, origins, codes and links: whatever a stranger typed or announced.
#include <cstdint>

#include "base/host_name.h"
#include "base/origin.h"
#include "base/result.h"
#include "base/text.h"
#include "pairing/code.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace latchkey;  // NOLINT(google-build-using-namespace)
  const auto text = as_text({data, size});
  const std::string shown = clean_display_name(text);
  LATCHKEY_CHECK(shown.size() <= 63 && is_utf8(shown));
  LATCHKEY_CHECK(clean_display_name(shown) == shown);
  if (const auto origin = Origin::parse(text)) {
    LATCHKEY_CHECK(origin->text() == text && origin->port() != 0);
  }
  if (const auto host = HostName::parse(text)) {
    LATCHKEY_CHECK(host->text() == text && host->label().find('.') == std::string_view::npos);
  }
  for (const auto kind : {wire::CodeKind::kDigits8, wire::CodeKind::kKey128}) {
    if (const auto code = pairing::PairingCode::parse(text, kind)) {
      const auto again = pairing::PairingCode::parse(code->for_display(), kind);
      LATCHKEY_CHECK(again && as_text(again->canonical()) == as_text(code->canonical()));
    }
  }
  if (const auto link = pairing::parse_link(text)) {
    const auto again =
        pairing::parse_link(pairing::make_link(link->code, link->name, link->device));
    LATCHKEY_CHECK(again && again->name == link->name && again->device == link->device);
  }
  return 0;
}
