// Protection of the secrets inside a store: private keys, the user secret, discovery keys.
//
// Every secret column goes through a Sealer. `purpose` names the store, table, column and row, so
// that a sealer that encrypts can bind it: a sealed value that is moved to another place does not
// open there.
#pragma once

#include <string_view>

#include "base/bytes.h"
#include "store/error.h"

namespace latchkey::store {

class Sealer {
 public:
  virtual ~Sealer() = default;
  // A short constant name, written into the store: it opens only with the kind that it was made
  // with.
  [[nodiscard]] virtual std::string_view kind() const = 0;
  virtual Result<Bytes> seal(std::string_view purpose, ByteSpan plaintext) = 0;
  // kCorrupt: not sealed by this sealer, or not for this purpose.
  virtual Result<SecretBytes> open(std::string_view purpose, ByteSpan sealed) = 0;
};

// A format byte and the plaintext. The protection is that of the file: mode 0600 in a folder of
// mode 0700. It does not help when the disk is stolen, and does not bind the purpose.
class FileModeSealer final : public Sealer {
 public:
  [[nodiscard]] std::string_view kind() const override { return "file-mode"; }
  Result<Bytes> seal(std::string_view purpose, ByteSpan plaintext) override;
  Result<SecretBytes> open(std::string_view purpose, ByteSpan sealed) override;
};

}  // namespace latchkey::store
