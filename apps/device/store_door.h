// The way to the device's records: which key they are sealed with, and whether they are the newest
// (docs/adr/0008-a-data-key-and-a-witness.md). What is in the way is said in words; nothing is
// overwritten because of it.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "base/random.h"
#include "device/options.h"
#include "store/device_store.h"
#include "store/keepers.h"

namespace latchkey::device {

struct StoreTrouble {
  enum class Kind {
    kOptions,  // the options contradict each other
    kBusy,     // another program has them open
    kKey,      // the key is not there, or is another one
    kDamaged,  // not what was written
    kOld,      // an older copy, or nobody can say
    kOther,
  };
  Kind kind = Kind::kOther;
  std::string message;
  std::string hint;
};

class TokenKeeper;

// Outlives the store that it opened.
class StoreDoor {
 public:
  StoreDoor(Random& random, std::filesystem::path state, SealOptions options);
  ~StoreDoor();
  StoreDoor(const StoreDoor&) = delete;
  StoreDoor& operator=(const StoreDoor&) = delete;

  // Makes the store where there is none: sealed, where a key is named.
  Result<std::unique_ptr<store::DeviceStore>, StoreTrouble> open();
  // Whether it is as new as it ever was; from here on the witness is told of every change.
  Result<void, StoreTrouble> watch(store::DeviceStore& store);
  // It is right as it is.
  Result<void, StoreTrouble> accept(store::DeviceStore& store);
  // Seals it as the options say, which may mean not at all, with a new data key; a new store is
  // that already. The old key opens no later copy.
  Result<void, StoreTrouble> seal(store::DeviceStore& store, const SealOptions& as);
  // As the options of this door say it, where that is not so yet.
  Result<void, StoreTrouble> seal(store::DeviceStore& store);
  // Of what can be had only with it: takes the witness away, durably.
  Result<void, StoreTrouble> forget_witness();

 private:
  struct Key;  // what a SealOptions names, ready for use
  Result<std::unique_ptr<Key>, StoreTrouble> key_of(const SealOptions& options);
  [[nodiscard]] StoreTrouble trouble(const store::Error& error, const Key* key) const;

  Random& random_;
  std::filesystem::path state_;
  SealOptions options_;
  store::FileWitness witness_;
  std::unique_ptr<Key> key_;
  std::unique_ptr<Key> next_;
  std::unique_ptr<store::KeptSealer> sealer_;
  std::unique_ptr<store::KeptSealer> next_sealer_;
};

// What a seal is called in `status`: "file-mode", "key-file", "pkcs11".
inline constexpr std::string_view kKeyFileKind = "key-file";
inline constexpr std::string_view kTokenKind = "pkcs11";

}  // namespace latchkey::device
