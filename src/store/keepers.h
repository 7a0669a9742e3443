// Who can keep a store's data key (sealer.h): a passphrase, a key that is at hand, a key on a shelf
// elsewhere, such as a desktop's keyring.
#pragma once

#include <optional>

#include "base/random.h"
#include "crypto/sealing.h"
#include "store/sealer.h"

namespace latchkey::store {

// From a passphrase by scrypt: what wrap() and unwrap() cost is what a guess costs.
class PassphraseKeeper final : public Keeper {
 public:
  static constexpr std::size_t kMinBytes = 8;     // of a new passphrase
  static constexpr std::size_t kMaxBytes = 1024;  // of any
  explicit PassphraseKeeper(Random& random, crypto::ScryptCost cost = {});
  [[nodiscard]] std::string_view kind() const override { return "passphrase"; }
  // Kept until it was used once, or is taken away with an empty one.
  void give(SecretBytes passphrase) { passphrase_ = std::move(passphrase); }
  [[nodiscard]] bool has() const { return !passphrase_.empty(); }
  Result<Bytes> wrap(ByteSpan data_key) override;
  // kLocked: there is none, or it is wrong.
  Result<SecretBytes> unwrap(ByteSpan wrapped) override;

 private:
  Random& random_;
  crypto::ScryptCost cost_;
  SecretBytes passphrase_;
};

// From a key of 32 bytes that somebody else read: out of a key file.
class KeyKeeper final : public Keeper {
 public:
  KeyKeeper(Random& random, std::string kind, SecretBytes key);
  [[nodiscard]] std::string_view kind() const override { return kind_; }
  Result<Bytes> wrap(ByteSpan data_key) override;
  Result<SecretBytes> unwrap(ByteSpan wrapped) override;  // kLocked: it was another key

 private:
  Random& random_;
  std::string kind_;
  SecretBytes key_;
};

// Keys of 32 bytes by a random name, kept outside of the store.
class KeyShelf {
 public:
  using Name = ByteArray<16>;
  virtual ~KeyShelf() = default;
  virtual Result<void> put(const Name& name, ByteSpan key) = 0;
  // kLocked, kKeyGone, or kNoKeeper where there is no shelf to ask.
  virtual Result<SecretBytes> get(const Name& name) = 0;
  virtual Result<void> drop(const Name& name) = 0;  // repeating it is harmless
};

class ShelfKeeper final : public Keeper {
 public:
  ShelfKeeper(Random& random, std::string kind, KeyShelf& shelf);
  [[nodiscard]] std::string_view kind() const override { return kind_; }
  Result<Bytes> wrap(ByteSpan data_key) override;
  Result<SecretBytes> unwrap(ByteSpan wrapped) override;
  // Takes the key that `wrapped` needs off the shelf: for when nothing is sealed with it any more.
  Result<void> forget(ByteSpan wrapped);

 private:
  Random& random_;
  std::string kind_;
  KeyShelf& shelf_;
};

}  // namespace latchkey::store
