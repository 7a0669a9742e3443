#include "store/keepers.h"

#include <utility>

#include "base/encoding.h"

namespace latchkey::store {
namespace {

constexpr std::uint8_t kFormat = 0x01;
constexpr std::size_t kSaltSize = 16;
constexpr std::size_t kPassphraseHead = 4 + kSaltSize;  // format, cost, salt
constexpr std::size_t kShelfHead = 1 + 16;              // format, name
constexpr std::size_t kWrapped = crypto::kSealKeySize + crypto::kSealOverhead;

tl::unexpected<Error> refuse(ErrorCode code, std::string detail) {
  return fail(Error{code, std::move(detail)});
}

Bytes context_of(std::string_view kind, ByteSpan head) {
  Bytes context;
  append(context, "latchkey-data-key-v1 ");
  append(context, kind);
  append(context, ByteSpan(head));
  return context;
}

bool is_wrapped(ByteSpan wrapped, std::size_t head) {
  return wrapped.size() == head + kWrapped && wrapped.front() == kFormat;
}

}  // namespace

PassphraseKeeper::PassphraseKeeper(Random& random, crypto::ScryptCost cost)
    : random_(random), cost_(cost) {}

Result<Bytes> PassphraseKeeper::wrap(ByteSpan data_key) {
  const SecretBytes passphrase = std::exchange(passphrase_, SecretBytes());
  if (passphrase.size() < kMinBytes || passphrase.size() > kMaxBytes) {
    return refuse(ErrorCode::kLocked, "the passphrase is too short or too long");
  }
  Bytes out{kFormat, cost_.log2_rounds, cost_.block, cost_.parallel};
  append(out, ByteSpan(random_.bytes<kSaltSize>()));
  const auto key = crypto::scrypt(passphrase.span(), ByteSpan(out).subspan(4), cost_);
  if (!key) {
    return refuse(ErrorCode::kIo, key.error().detail);
  }
  append(out,
         ByteSpan(crypto::seal_secret(key->span(), context_of(kind(), out), data_key, random_)));
  return out;
}

Result<SecretBytes> PassphraseKeeper::unwrap(ByteSpan wrapped) {
  const SecretBytes passphrase = std::exchange(passphrase_, SecretBytes());
  if (!is_wrapped(wrapped, kPassphraseHead)) {
    return refuse(ErrorCode::kCorrupt, "the data key is not wrapped by a passphrase");
  }
  const crypto::ScryptCost cost{wrapped[1], wrapped[2], wrapped[3]};
  if (!crypto::is_sane(cost)) {
    return refuse(ErrorCode::kCorrupt, "the passphrase's cost is out of bounds");
  }
  if (passphrase.empty()) {
    return refuse(ErrorCode::kLocked, "a passphrase is needed");
  }
  if (passphrase.size() > kMaxBytes) {
    return refuse(ErrorCode::kLocked, "the passphrase is too long");
  }
  const ByteSpan head = wrapped.first(kPassphraseHead);
  const auto key = crypto::scrypt(passphrase.span(), head.subspan(4), cost);
  if (!key) {
    return refuse(ErrorCode::kIo, key.error().detail);
  }
  auto data_key =
      crypto::open_secret(key->span(), context_of(kind(), head), wrapped.subspan(kPassphraseHead));
  if (!data_key) {
    return refuse(ErrorCode::kLocked, "the passphrase is wrong");
  }
  return *std::move(data_key);
}

KeyKeeper::KeyKeeper(Random& random, std::string kind, SecretBytes key)
    : random_(random), kind_(std::move(kind)), key_(std::move(key)) {
  LATCHKEY_CHECK(key_.size() == crypto::kSealKeySize);
}

Result<Bytes> KeyKeeper::wrap(ByteSpan data_key) {
  Bytes out{kFormat};
  append(out,
         ByteSpan(crypto::seal_secret(key_.span(), context_of(kind_, out), data_key, random_)));
  return out;
}

Result<SecretBytes> KeyKeeper::unwrap(ByteSpan wrapped) {
  if (!is_wrapped(wrapped, 1)) {
    return refuse(ErrorCode::kCorrupt, "the data key is not wrapped by a key");
  }
  auto data_key =
      crypto::open_secret(key_.span(), context_of(kind_, wrapped.first(1)), wrapped.subspan(1));
  if (!data_key) {
    return refuse(ErrorCode::kLocked, "the store was sealed with another key");
  }
  return *std::move(data_key);
}

ShelfKeeper::ShelfKeeper(Random& random, std::string kind, KeyShelf& shelf)
    : random_(random), kind_(std::move(kind)), shelf_(shelf) {}

Result<Bytes> ShelfKeeper::wrap(ByteSpan data_key) {
  const auto name = random_.bytes<16>();
  SecretBytes key(crypto::kSealKeySize);
  random_.fill(key.writable());
  if (auto put = shelf_.put(name, key.span()); !put) {
    return fail(std::move(put).error());
  }
  Bytes out{kFormat};
  append(out, ByteSpan(name));
  append(out, ByteSpan(crypto::seal_secret(key.span(), context_of(kind_, out), data_key, random_)));
  return out;
}

Result<SecretBytes> ShelfKeeper::unwrap(ByteSpan wrapped) {
  if (!is_wrapped(wrapped, kShelfHead)) {
    return refuse(ErrorCode::kCorrupt, "the data key is not wrapped by a key on a shelf");
  }
  const ByteSpan head = wrapped.first(kShelfHead);
  auto key = shelf_.get(*to_array<16>(head.subspan(1)));
  if (!key) {
    return fail(std::move(key).error());
  }
  if (key->size() != crypto::kSealKeySize) {
    return refuse(ErrorCode::kKeyGone, "the kept key has the wrong size");
  }
  auto data_key =
      crypto::open_secret(key->span(), context_of(kind_, head), wrapped.subspan(kShelfHead));
  if (!data_key) {
    return refuse(ErrorCode::kKeyGone, "the kept key is another one");
  }
  return *std::move(data_key);
}

Result<void> ShelfKeeper::forget(ByteSpan wrapped) {
  if (!is_wrapped(wrapped, kShelfHead)) {
    return refuse(ErrorCode::kCorrupt, "the data key is not wrapped by a key on a shelf");
  }
  return shelf_.drop(*to_array<16>(wrapped.subspan(1, 16)));
}

}  // namespace latchkey::store
