// Everything that can keep the key of the agent's store: the desktop's keyring, a passphrase, or
// nothing but the file's mode (docs/keys.md). Calls may block, on D-Bus, on a person or on scrypt:
// they are made on the worker's thread, one after the other.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string_view>

#include "agent/request.h"
#include "net/task.h"
#include "platform/secret_service.h"
#include "store/keepers.h"

namespace latchkey::agentd {

inline constexpr std::string_view kKeyringKind = "keyring";
inline constexpr std::string_view kPassphraseKind = "passphrase";

// The keyring as a shelf of keys.
class KeyringShelf final : public store::KeyShelf {
 public:
  explicit KeyringShelf(platform::SecretService& service) : service_(service) {}
  store::Result<void> put(const Name& name, ByteSpan key) override;
  store::Result<SecretBytes> get(const Name& name) override;
  store::Result<void> drop(const Name& name) override;

 private:
  platform::SecretService& service_;
};

class Keys {
 public:
  Keys() = default;
  Keys(const Keys&) = delete;
  Keys& operator=(const Keys&) = delete;

  // Opens a store that anyone of them keeps the key of; a new one is sealed this way. The keys must
  // outlive it.
  std::unique_ptr<store::KeptSealer> sealer(agent::SealWay way_of_new);
  // Once, for the next use of the passphrase.
  void give(SecretBytes passphrase) { passphrase_.give(std::move(passphrase)); }
  void forget_passphrase() { passphrase_.give({}); }
  // Whether a key could go into the keyring now, with nobody asked.
  store::Result<void> keyring_ready();
  // The desktop asks the person, where the keyring is locked.
  void unlock_keyring();
  // Whether it is this store's passphrase that was given.
  store::Result<void> try_passphrase(const store::Seal& seal);
  // Takes out of the keyring what `seal` needed.
  void forget(const store::Seal& seal);
  [[nodiscard]] Random& random() { return random_; }

 private:
  net::SystemRandom random_;
  platform::SecretService service_;
  KeyringShelf shelf_{service_};
  store::ShelfKeeper keyring_{random_, std::string(kKeyringKind), shelf_};
  store::PassphraseKeeper passphrase_{random_};
};

// A passphrase from a file, such as a systemd credential: without the line's end. kIo: it is not a
// file of this user or of root, others may read it, or it is empty or too long.
store::Result<SecretBytes> read_passphrase(const std::filesystem::path& file);

}  // namespace latchkey::agentd
