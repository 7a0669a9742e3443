// Protection of the secrets inside a store: private keys, the user secret, discovery keys.
//
// Every secret column goes through a Sealer. `purpose` names the store, table, column and row, so
// that a sealer that encrypts can bind it: a sealed value that is moved to another place does not
// open there.
//
// A store is sealed with a data key of its own, or by nothing but the file's mode. The data key is
// made with the store, and anew whenever it is sealed in another way; it stands in the store too,
// wrapped by a Keeper: a desktop's keyring, a passphrase, a key file, a token (docs/keys.md).
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/random.h"
#include "store/error.h"

namespace latchkey::store {

// What a store says about how it is sealed.
struct Seal {
  std::string kind;
  Bytes key;  // the data key, wrapped; empty where there is none. At most 1024 bytes.
};

class Sealer {
 public:
  virtual ~Sealer() = default;
  // A short constant name, written into the store: it opens only with the kind that it was made
  // with.
  [[nodiscard]] virtual std::string_view kind() const = 0;
  // For a store that is made or sealed anew: seal() works from now on.
  virtual Result<Seal> make() { return Seal{std::string(kind()), {}}; }
  // For a store that is there. kConflict: not this kind; kLocked, kKeyGone: what keeps the key says
  // so.
  virtual Result<void> use(const Seal& seal);
  virtual Result<Bytes> seal(std::string_view purpose, ByteSpan plaintext) = 0;
  // kCorrupt: not sealed by this sealer, or not for this purpose.
  virtual Result<SecretBytes> open(std::string_view purpose, ByteSpan sealed) = 0;
};

inline constexpr std::string_view kFileMode = "file-mode";

// A format byte and the plaintext. The protection is that of the file: mode 0600 in a folder of
// mode 0700. It does not help when the disk is stolen, and does not bind the purpose.
class FileModeSealer final : public Sealer {
 public:
  [[nodiscard]] std::string_view kind() const override { return kFileMode; }
  Result<Bytes> seal(std::string_view purpose, ByteSpan plaintext) override;
  Result<SecretBytes> open(std::string_view purpose, ByteSpan sealed) override;
};

// Wraps a data key, so that only it can unwrap it.
class Keeper {
 public:
  virtual ~Keeper() = default;
  [[nodiscard]] virtual std::string_view kind() const = 0;
  virtual Result<Bytes> wrap(ByteSpan data_key) = 0;
  // kLocked: something must be opened first, such as a keyring, or the passphrase is wrong;
  // kKeyGone: what could unwrap it is not there any more; kCorrupt: that was not wrapped by it.
  virtual Result<SecretBytes> unwrap(ByteSpan wrapped) = 0;
};

// A format byte, and AES-256-GCM under the data key with the purpose as associated data. A store
// that is sealed by file mode goes on opening, too.
class KeptSealer final : public Sealer {
 public:
  // `keepers`: who may be asked, and `chosen`, one of them, who keeps the key of what is sealed
  // anew; nothing: file mode. All must outlive the sealer.
  KeptSealer(Random& random, std::vector<Keeper*> keepers, Keeper* chosen);
  [[nodiscard]] std::string_view kind() const override { return kind_; }
  // What is slow about make(), done ahead, perhaps on another thread.
  Result<void> prepare();
  Result<Seal> make() override;
  Result<void> use(const Seal& seal) override;
  // The kind of the store that use() saw last, whether it could be opened or not; empty: none.
  [[nodiscard]] const std::string& met() const { return met_; }
  Result<Bytes> seal(std::string_view purpose, ByteSpan plaintext) override;
  Result<SecretBytes> open(std::string_view purpose, ByteSpan sealed) override;

 private:
  Random& random_;
  std::vector<Keeper*> keepers_;
  Keeper* chosen_;
  std::string kind_;
  std::string met_;
  SecretBytes data_key_;  // empty: file mode
  std::unique_ptr<Seal> prepared_;
  Seal made_;  // what data_key_ belongs to
};

}  // namespace latchkey::store
