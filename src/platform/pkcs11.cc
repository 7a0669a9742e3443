#include "platform/pkcs11.h"

#include <p11-kit/pkcs11.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <vector>

#include "crypto/hash.h"
#include "platform/pkcs11_session.h"

namespace latchkey::platform {
namespace {

constexpr std::size_t kMaxPoint = 256;

tl::unexpected<Error> refuse(Error::Code code, std::string message, std::string hint) {
  return fail(Error{code, std::move(message), std::move(hint)});
}

CK_ATTRIBUTE attribute(CK_ATTRIBUTE_TYPE type, void* value, std::size_t size) {
  return {type, value, static_cast<CK_ULONG>(size)};
}

// CKA_EC_POINT: a DER OCTET STRING of the point; some tokens give the point bare.
std::optional<crypto::PublicKey> key_of_point(ByteSpan value) {
  if (value.size() == 67 && value[0] == 0x04 && value[1] == 65) {
    value = value.subspan(2);
  }
  auto key = crypto::PublicKey::from_point(value);
  return key ? std::optional(*std::move(key)) : std::nullopt;
}

}  // namespace

struct Pkcs11Signer::State {
  std::unique_ptr<TokenSession> token;
  std::string label;
  CK_OBJECT_HANDLE key = 0;

  Result<void, Error> open();
  CK_RV sign_once(const Digest256& digest, ByteArray<64>& raw) const;
};

Result<void, Error> Pkcs11Signer::State::open() {
  if (auto opened = token->open(); !opened) {
    return opened;
  }
  const auto keys = token->find(CKO_PRIVATE_KEY, CKK_EC, label);
  if (keys.size() != 1) {
    return refuse(Error::Code::kMissing,
                  "The token " + token->where().token + " has " +
                      (keys.empty() ? "no" : "more than one") + " EC private key called \"" +
                      label + "\".",
                  "List what it holds: pkcs11-tool --module " + token->where().module.string() +
                      " --login --list-objects");
  }
  key = keys.front();
  return {};
}

CK_RV Pkcs11Signer::State::sign_once(const Digest256& digest, ByteArray<64>& raw) const {
  if (!token->is_open()) {
    return CKR_SESSION_HANDLE_INVALID;
  }
  CK_MECHANISM mechanism{CKM_ECDSA, nullptr, 0};
  if (const CK_RV rv = token->call().C_SignInit(token->handle(), &mechanism, key); rv != CKR_OK) {
    return rv;
  }
  CK_ULONG size = raw.size();
  const CK_RV rv = token->call().C_Sign(token->handle(), const_cast<CK_BYTE_PTR>(digest.data()),
                                        digest.size(), raw.data(), &size);
  return rv == CKR_OK && size != raw.size() ? CKR_KEY_SIZE_RANGE : rv;
}

Pkcs11Signer::Pkcs11Signer(std::unique_ptr<State> state) : state_(std::move(state)) {}
Pkcs11Signer::~Pkcs11Signer() = default;

Result<std::unique_ptr<Pkcs11Signer>, Error> Pkcs11Signer::open(TokenKey where) {
  auto token = TokenSession::load(
      {std::move(where.module), std::move(where.token), std::move(where.pin_file)});
  if (!token) {
    return fail(std::move(token).error());
  }
  auto state = std::make_unique<State>();
  state->token = *std::move(token);
  state->label = std::move(where.object);
  if (auto done = state->open(); !done) {
    return fail(std::move(done).error());
  }
  return std::unique_ptr<Pkcs11Signer>(new Pkcs11Signer(std::move(state)));
}

Result<Bytes, Error> Pkcs11Signer::sign(ByteSpan data) {
  const Digest256 digest = crypto::sha256(data);
  ByteArray<64> raw{};
  CK_RV rv = state_->sign_once(digest, raw);
  if (rv != CKR_OK) {
    if (auto opened = state_->open(); !opened) {
      return fail(std::move(opened).error());
    }
    rv = state_->sign_once(digest, raw);
  }
  auto der = rv == CKR_OK ? crypto::signature_from_raw(raw) : std::nullopt;
  if (!der) {
    return refuse(
        Error::Code::kSystem,
        "The token " + state_->token->where().token + " does not sign (" + number_of(rv) + ").",
        "Its key must be an EC key on P-256 that may sign.");
  }
  return *std::move(der);
}

Result<crypto::PublicKey, Error> Pkcs11Signer::public_key() {
  if (!state_->token->is_open()) {
    if (auto opened = state_->open(); !opened) {
      return fail(std::move(opened).error());
    }
  }
  std::vector<CK_OBJECT_HANDLE> objects =
      state_->token->find(CKO_PUBLIC_KEY, CKK_EC, state_->label);
  objects.push_back(state_->key);
  for (const CK_OBJECT_HANDLE object : objects) {
    ByteArray<kMaxPoint> value{};
    CK_ATTRIBUTE point = attribute(CKA_EC_POINT, value.data(), value.size());
    if (state_->token->call().C_GetAttributeValue(state_->token->handle(), object, &point, 1) ==
            CKR_OK &&
        point.ulValueLen <= value.size()) {
      if (auto key = key_of_point(ByteSpan(value).first(point.ulValueLen))) {
        return *std::move(key);
      }
    }
  }
  return refuse(Error::Code::kMissing,
                "The token " + state_->token->where().token +
                    " does not tell the public key of \"" + state_->label + "\".",
                "Store the public key beside the private one, under the same label.");
}

}  // namespace latchkey::platform
