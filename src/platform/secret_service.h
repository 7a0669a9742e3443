// Keys of 32 bytes in the desktop's keyring: the Secret Service of gnome-keyring or KWallet,
// through libsecret. The library is loaded by the first call and only then: an agent without a
// desktop does without it.
//
// Every call blocks, on D-Bus and perhaps on a person: use it from a worker thread, or with a short
// patience. One thread at a time. Errors: kSystem: there is no library, no bus, no service, or no
// answer in time; kLocked: the keyring is locked; kMissing: it has no such key, or no default
// keyring.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "platform/error.h"

namespace latchkey::platform {

class SecretService {
 public:
  using Name = ByteArray<16>;
  explicit SecretService(std::chrono::milliseconds patience = std::chrono::seconds(5));
  ~SecretService();
  SecretService(const SecretService&) = delete;
  SecretService& operator=(const SecretService&) = delete;

  // Whether a key could be stored now without asking anybody.
  Result<void, Error> ready();
  // Asks the person to unlock the keyring, by the desktop's own dialog, where it is locked.
  Result<void, Error> unlock(std::chrono::milliseconds patience);

  // Replaces the key of that name. `label` is what a person sees in the keyring's own program.
  Result<void, Error> put(const Name& name, const std::string& label, ByteSpan key);
  Result<SecretBytes, Error> get(const Name& name);
  Result<void, Error> drop(const Name& name);  // repeating it is harmless

 private:
  struct Library;
  class Call;
  Result<const Library*, Error> library();
  std::chrono::milliseconds patience_;
  std::unique_ptr<Library> library_;
};

}  // namespace latchkey::platform
