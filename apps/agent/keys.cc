#include "keys.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

#include "net/local_message.h"

namespace latchkey::agentd {
namespace {

// What a person sees in the keyring's own program.
constexpr const char* kLabel = "Latchkey: the key of what it remembers";
constexpr std::chrono::milliseconds kAskTime = std::chrono::seconds(50);

store::Error as_store_error(const platform::Error& error) {
  using enum platform::Error::Code;
  const store::ErrorCode code = error.code == kLocked    ? store::ErrorCode::kLocked
                                : error.code == kMissing ? store::ErrorCode::kKeyGone
                                                         : store::ErrorCode::kNoKeeper;
  return {code, error.message};
}

}  // namespace

store::Result<void> KeyringShelf::put(const Name& name, ByteSpan key) {
  if (const auto done = service_.put(name, kLabel, key); !done) {
    // Nothing that was there is gone: there is no keyring to put it into.
    const auto error = as_store_error(done.error());
    return fail(store::Error{
        error.code == store::ErrorCode::kKeyGone ? store::ErrorCode::kNoKeeper : error.code,
        error.detail});
  }
  return {};
}

store::Result<SecretBytes> KeyringShelf::get(const Name& name) {
  auto key = service_.get(name);
  if (!key) {
    return fail(as_store_error(key.error()));
  }
  return *std::move(key);
}

store::Result<void> KeyringShelf::drop(const Name& name) {
  if (const auto done = service_.drop(name); !done) {
    return fail(as_store_error(done.error()));
  }
  return {};
}

std::unique_ptr<store::KeptSealer> Keys::sealer(agent::SealWay way_of_new) {
  store::Keeper* chosen = nullptr;
  if (way_of_new == agent::SealWay::kKeyring) {
    chosen = &keyring_;
  } else if (way_of_new == agent::SealWay::kPassphrase) {
    chosen = &passphrase_;
  }
  return std::make_unique<store::KeptSealer>(
      random_, std::vector<store::Keeper*>{&keyring_, &passphrase_}, chosen);
}

store::Result<void> Keys::keyring_ready() {
  if (const auto ready = service_.ready(); !ready) {
    auto error = as_store_error(ready.error());
    if (error.code == store::ErrorCode::kKeyGone) {
      error.code = store::ErrorCode::kNoKeeper;
    }
    return fail(std::move(error));
  }
  return {};
}

void Keys::unlock_keyring() {
  (void)service_.unlock(kAskTime);
}

store::Result<void> Keys::try_passphrase(const store::Seal& seal) {
  auto key = passphrase_.unwrap(seal.key);
  if (!key) {
    return fail(std::move(key).error());
  }
  return {};
}

void Keys::forget(const store::Seal& seal) {
  if (seal.kind == kKeyringKind) {
    (void)keyring_.forget(seal.key);
  }
}

store::Result<SecretBytes> read_passphrase(const std::filesystem::path& file) {
  const auto refuse = [&](const std::string& why) {
    return fail(store::Error{store::ErrorCode::kIo, file.string() + ": " + why});
  };
  const net::OwnedFd handle(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat info{};
  if (!handle.is_open() || ::fstat(handle.get(), &info) != 0) {
    return refuse(std::generic_category().message(errno));
  }
  // A systemd credential may be root's, with an access list that shows as the group's right.
  if (!S_ISREG(info.st_mode) || (info.st_uid != ::geteuid() && info.st_uid != 0) ||
      (info.st_mode & 0007U) != 0) {
    return refuse("others may read the passphrase, or it is not a file of yours (chmod 600)");
  }
  SecretBytes text(store::PassphraseKeeper::kMaxBytes + 1);
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = ::read(handle.get(), text.writable().data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      return refuse(std::generic_category().message(errno));
    }
    if (got == 0) {
      break;
    }
    size += static_cast<std::size_t>(got);
  }
  if (size > 0 && size <= store::PassphraseKeeper::kMaxBytes && text.span()[size - 1] == '\n') {
    --size;
  }
  if (size == 0 || size > store::PassphraseKeeper::kMaxBytes) {
    return refuse("the passphrase is empty or too long");
  }
  return SecretBytes::copy_of(text.span().first(size));
}

}  // namespace latchkey::agentd
