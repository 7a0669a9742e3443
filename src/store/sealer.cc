#include "store/sealer.h"

#include <utility>

#include "crypto/sealing.h"

namespace latchkey::store {
namespace {

constexpr std::uint8_t kPlainFormat = 0x01;
constexpr std::uint8_t kSealedFormat = 0x02;
constexpr std::string_view kColumnContext = "latchkey-column-v1 ";

Bytes context_of(std::string_view purpose) {
  Bytes context;
  append(context, kColumnContext);
  append(context, purpose);
  return context;
}

}  // namespace

Result<void> Sealer::use(const Seal& seal) {
  if (seal.kind != kind()) {
    return fail(Error{ErrorCode::kConflict, "the store is sealed by " + seal.kind});
  }
  return {};
}

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

KeptSealer::KeptSealer(Random& random, std::vector<Keeper*> keepers, Keeper* chosen)
    : random_(random),
      keepers_(std::move(keepers)),
      chosen_(chosen),
      kind_(chosen == nullptr ? kFileMode : chosen->kind()) {}

Result<void> KeptSealer::prepare() {
  auto seal = make();
  if (!seal) {
    return fail(std::move(seal).error());
  }
  prepared_ = std::make_unique<Seal>(*std::move(seal));
  return {};
}

Result<Seal> KeptSealer::make() {
  if (prepared_ != nullptr) {
    return std::move(*std::exchange(prepared_, nullptr));
  }
  if (chosen_ == nullptr) {
    kind_ = kFileMode;
    data_key_ = {};
    return Seal{kind_, {}};
  }
  SecretBytes key(crypto::kSealKeySize);
  random_.fill(key.writable());
  auto wrapped = chosen_->wrap(key.span());
  if (!wrapped) {
    return fail(std::move(wrapped).error());
  }
  kind_ = chosen_->kind();
  data_key_ = std::move(key);
  made_ = {kind_, *std::move(wrapped)};
  return made_;
}

Result<void> KeptSealer::use(const Seal& seal) {
  met_ = seal.kind;
  if (seal.kind == kFileMode) {
    kind_ = kFileMode;
    data_key_ = {};
    return {};
  }
  if (!data_key_.empty() && seal.kind == made_.kind && seal.key == made_.key) {
    return {};  // nobody needs to be asked again
  }
  for (Keeper* keeper : keepers_) {
    if (keeper->kind() != seal.kind) {
      continue;
    }
    auto key = keeper->unwrap(seal.key);
    if (!key) {
      return fail(std::move(key).error());
    }
    if (key->size() != crypto::kSealKeySize) {
      return fail(Error{ErrorCode::kCorrupt, "the data key has the wrong size"});
    }
    kind_ = seal.kind;
    data_key_ = *std::move(key);
    made_ = seal;
    return {};
  }
  return fail(Error{ErrorCode::kConflict, "the store is sealed by " + seal.kind});
}

Result<Bytes> KeptSealer::seal(std::string_view purpose, ByteSpan plaintext) {
  if (data_key_.empty()) {
    return FileModeSealer().seal(purpose, plaintext);
  }
  Bytes sealed{kSealedFormat};
  append(sealed,
         ByteSpan(crypto::seal_secret(data_key_.span(), context_of(purpose), plaintext, random_)));
  return sealed;
}

// The format must be the store's own: plain bytes slipped into a sealed store are not taken.
Result<SecretBytes> KeptSealer::open(std::string_view purpose, ByteSpan sealed) {
  if (data_key_.empty()) {
    return FileModeSealer().open(purpose, sealed);
  }
  if (sealed.empty() || sealed.front() != kSealedFormat) {
    return fail(Error{ErrorCode::kCorrupt, "unknown seal format: " + std::string(purpose)});
  }
  auto opened = crypto::open_secret(data_key_.span(), context_of(purpose), sealed.subspan(1));
  if (!opened) {
    return fail(Error{ErrorCode::kCorrupt, "does not open: " + std::string(purpose)});
  }
  return *std::move(opened);
}

}  // namespace latchkey::store
