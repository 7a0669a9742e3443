#include "device/store_door.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "device/seal_key.h"
#include "device/token_keeper.h"
#include "net/local_message.h"

namespace latchkey::device {

namespace {

using Kind = StoreTrouble::Kind;
using store::DeviceStore;
using store::ErrorCode;

constexpr const char* kBeginAnew =
    "or forget everybody and begin anew: latchkey-device factory-reset --yes";

tl::unexpected<StoreTrouble> refuse(Kind kind, std::string message, std::string hint) {
  return fail(StoreTrouble{kind, std::move(message), std::move(hint)});
}

std::string option_for(const std::string& kind) {
  return kind == kKeyFileKind ? "--seal-key FILE"
         : kind == kTokenKind ? "--seal-pkcs11 MODULE and its other options"
                              : "the option for " + kind;
}

}  // namespace

struct StoreDoor::Key {
  std::unique_ptr<store::KeyKeeper> file;
  std::unique_ptr<TokenKeeper> token;

  [[nodiscard]] store::Keeper* keeper() const {
    return file ? static_cast<store::Keeper*>(file.get()) : token.get();
  }
  [[nodiscard]] std::unique_ptr<store::KeptSealer> sealer(Random& random) const {
    std::vector<store::Keeper*> all;
    if (keeper() != nullptr) {
      all.push_back(keeper());
    }
    return std::make_unique<store::KeptSealer>(random, std::move(all), keeper());
  }
};

StoreDoor::StoreDoor(Random& random, std::filesystem::path state, SealOptions options)
    : random_(random),
      state_(std::move(state)),
      options_(std::move(options)),
      witness_(options_.witness.empty() ? state_ / "witness" / "device" : options_.witness) {}
StoreDoor::~StoreDoor() = default;

Result<std::unique_ptr<StoreDoor::Key>, StoreTrouble> StoreDoor::key_of(
    const SealOptions& options) {
  auto key = std::make_unique<Key>();
  const bool token = !options.module.empty();
  const bool token_parts =
      !options.token.empty() || !options.object.empty() || !options.pin_file.empty();
  if (token && !options.key_file.empty()) {
    return refuse(Kind::kOptions, "The records are sealed with one key, not with two.",
                  "Name a key file or a token's key.");
  }
  if (token ? options.token.empty() || options.object.empty() || options.pin_file.empty()
            : token_parts) {
    return refuse(Kind::kOptions, "A key in a token is named by four options together.",
                  "They are the PKCS#11 module, the token's label, the key's label and the file "
                  "with the PIN.");
  }
  if (token) {
    key->token = std::make_unique<TokenKeeper>(
        random_,
        platform::TokenKey{options.module, options.token, options.object, options.pin_file});
  } else if (!options.key_file.empty()) {
    auto read = read_seal_key(options.key_file);
    if (!read) {
      const bool missing = read.error().code == platform::Error::Code::kMissing;
      return refuse(
          Kind::kKey, "The key for the records: " + read.error().message,
          missing ? "Bring it back, or plug in what it lies on. If there never was one, make it: "
                    "latchkey-device seal --key " +
                        options.key_file.string()
                  : read.error().hint);
    }
    key->file =
        std::make_unique<store::KeyKeeper>(random_, std::string(kKeyFileKind), *std::move(read));
  }
  return key;
}

StoreTrouble StoreDoor::trouble(const store::Error& error, const Key* key) const {
  const std::string records = "The records in " + state_.string();
  switch (error.code) {
    case ErrorCode::kBusy:
      return {Kind::kBusy, "A device already runs with the state in " + state_.string() + ".",
              "Stop it first, or choose another folder with --state."};
    case ErrorCode::kConflict: {
      const auto by = error.detail.rfind(' ');
      return {Kind::kKey, records + " are sealed, and not with the key that is named here.",
              "Say where their key is: " +
                  option_for(error.detail.substr(by == std::string::npos ? 0 : by + 1)) + "."};
    }
    case ErrorCode::kLocked:
    case ErrorCode::kKeyGone:
    case ErrorCode::kNoKeeper:
      if (key != nullptr && key->token && key->token->said()) {
        return {Kind::kKey, records + " cannot be opened: " + key->token->said()->message,
                key->token->said()->hint};
      }
      return {Kind::kKey, records + " were sealed with another key than this one.",
              std::string("Bring back the right one, ") + kBeginAnew};
    case ErrorCode::kCorrupt:
      return {
          Kind::kDamaged, records + " are damaged (" + error.detail + ").",
          std::string("Put back a good copy and run latchkey-device accept-store, ") + kBeginAnew};
    case ErrorCode::kTooNew:
      return {Kind::kOther, records + " were written by a newer version of this program.",
              "Install that version again."};
    case ErrorCode::kIo:
    case ErrorCode::kNotFound:
    case ErrorCode::kNoRoom:
      break;
  }
  return {Kind::kOther, records + " cannot be opened: " + error.detail,
          "Check the folder and its permissions, and run this as the user that the device runs "
          "as."};
}

Result<std::unique_ptr<DeviceStore>, StoreTrouble> StoreDoor::open() {
  auto key = key_of(options_);
  if (!key) {
    return fail(std::move(key).error());
  }
  key_ = *std::move(key);
  sealer_ = key_->sealer(random_);
  auto store = DeviceStore::open(state_, *sealer_, random_);
  if (!store) {
    return fail(trouble(store.error(), key_.get()));
  }
  return *std::move(store);
}

Result<void, StoreTrouble> StoreDoor::watch(DeviceStore& store) {
  switch (store.watch(witness_)) {
    case store::Standing::kCurrent:
      if (store.witness_failed()) {
        return refuse(Kind::kOther, witness_.path().string() + " cannot be written.",
                      "Check the folder and its permissions.");
      }
      return {};
    case store::Standing::kRolledBack:
      return refuse(Kind::kOld,
                    "The records in " + state_.string() +
                        " are an older copy: what was removed since would be back.",
                    "If you put them back yourself, run: latchkey-device accept-store; if not, "
                    "find out who did, " +
                        std::string(kBeginAnew));
    case store::Standing::kUnknown:
      break;
  }
  return refuse(Kind::kOld,
                "Nobody can say whether the records in " + state_.string() +
                    " are the newest: " + witness_.path().string() + " is gone or damaged.",
                "If nobody put back an older copy, run: latchkey-device accept-store");
}

Result<void, StoreTrouble> StoreDoor::accept(DeviceStore& store) {
  if (const auto done = store.accept(witness_); !done) {
    return refuse(Kind::kOther, "It could not be stored: " + done.error().detail,
                  "Check the folder and its permissions.");
  }
  return {};
}

Result<void, StoreTrouble> StoreDoor::seal(DeviceStore& store, const SealOptions& as) {
  auto next = key_of(as);
  if (!next) {
    return fail(std::move(next).error());
  }
  auto sealer = (*next)->sealer(random_);
  const auto done = store.reseal(*sealer);
  if (!done) {
    return fail(trouble(done.error(), next->get()));
  }
  next_ = *std::move(next);
  next_sealer_ = std::move(sealer);
  return {};
}

Result<void, StoreTrouble> StoreDoor::seal(DeviceStore& store) {
  const bool named = key_ != nullptr && key_->keeper() != nullptr;
  return !named || store.sealed().kind == key_->keeper()->kind() ? Result<void, StoreTrouble>()
                                                                 : seal(store, options_);
}

Result<void, StoreTrouble> StoreDoor::forget_witness() {
  const std::filesystem::path folder = witness_.path().parent_path();
  if (::unlink(witness_.path().c_str()) != 0 && errno != ENOENT && errno != ENOTDIR) {
    return refuse(Kind::kOther,
                  witness_.path().string() + " cannot be removed: " + std::strerror(errno) + ".",
                  "Check the folder and its permissions.");
  }
  const net::OwnedFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.is_open()) {
    (void)::fsync(fd.get());
  }
  return {};
}

}  // namespace latchkey::device
