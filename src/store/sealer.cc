#include "store/sealer.h"

namespace latchkey::store {
namespace {
constexpr std::uint8_t kPlainFormat = 0x01;
}  // namespace

Result<Bytes> FileModeSealer::seal(std::string_view /*purpose*/, ByteSpan plaintext) {
  Bytes sealed;
  sealed.reserve(plaintext.size() + 1);
  sealed.push_back(kPlainFormat);
  append(sealed, plaintext);
  return sealed;
}

Result<SecretBytes> FileModeSealer::open(std::string_view purpose, ByteSpan sealed) {
  if (sealed.empty() || sealed.front() != kPlainFormat) {
    return fail(Error{ErrorCode::kCorrupt, "unknown seal format: " + std::string(purpose)});
  }
  return SecretBytes::copy_of(sealed.subspan(1));
}

}  // namespace latchkey::store
