#include "platform/pkcs11_cipher.h"

#include <p11-kit/pkcs11.h>

#include <utility>

#include "platform/pkcs11_session.h"

namespace latchkey::platform {
namespace {

tl::unexpected<Error> refuse(Error::Code code, std::string message, std::string hint) {
  return fail(Error{code, std::move(message), std::move(hint)});
}

struct Opened {
  std::unique_ptr<TokenSession> token;
  CK_OBJECT_HANDLE key = 0;
};

Result<Opened, Error> open(const TokenKey& where) {
  auto token = TokenSession::load({where.module, where.token, where.pin_file});
  if (!token) {
    return fail(std::move(token).error());
  }
  if (auto opened = (*token)->open(); !opened) {
    return fail(std::move(opened).error());
  }
  const auto keys = (*token)->find(CKO_SECRET_KEY, CKK_AES, where.object);
  if (keys.size() != 1) {
    return refuse(Error::Code::kMissing,
                  "The token " + where.token + " has " + (keys.empty() ? "no" : "more than one") +
                      " AES key called \"" + where.object + "\".",
                  "List what it holds: pkcs11-tool --module " + where.module.string() +
                      " --login --list-objects");
  }
  CK_BBOOL extractable = CK_TRUE;
  CK_ATTRIBUTE asked{CKA_EXTRACTABLE, &extractable, sizeof extractable};
  if ((*token)->call().C_GetAttributeValue((*token)->handle(), keys.front(), &asked, 1) != CKR_OK ||
      extractable != CK_FALSE) {
    return refuse(
        Error::Code::kUnsafe,
        "The key \"" + where.object + "\" could be taken out of the token " + where.token + ".",
        "Make one in the token that cannot (CKA_EXTRACTABLE false).");
  }
  return Opened{*std::move(token), keys.front()};
}

CK_GCM_PARAMS params_of(ByteSpan iv, ByteSpan context) {
  return {const_cast<unsigned char*>(iv.data()),      iv.size(),      iv.size() * 8,
          const_cast<unsigned char*>(context.data()), context.size(), Pkcs11Cipher::kTagSize * 8};
}

}  // namespace

Result<Bytes, Error> Pkcs11Cipher::encrypt(ByteSpan iv, ByteSpan context, ByteSpan plain) {
  LATCHKEY_CHECK(iv.size() == kIvSize && plain.size() <= kMaxPlain);
  const auto opened = open(where_);
  if (!opened) {
    return fail(opened.error());
  }
  CK_FUNCTION_LIST& call = opened->token->call();
  CK_GCM_PARAMS params = params_of(iv, context);
  CK_MECHANISM mechanism{CKM_AES_GCM, &params, sizeof params};
  CK_RV rv = call.C_EncryptInit(opened->token->handle(), &mechanism, opened->key);
  Bytes out(plain.size() + kTagSize);
  CK_ULONG size = out.size();
  if (rv == CKR_OK) {
    rv = call.C_Encrypt(opened->token->handle(), const_cast<CK_BYTE_PTR>(plain.data()),
                        plain.size(), out.data(), &size);
  }
  if (rv != CKR_OK || size != out.size()) {
    return refuse(Error::Code::kSystem,
                  "The token " + where_.token + " does not encrypt (" + number_of(rv) + ").",
                  "Its key must be an AES key that may encrypt and decrypt by AES-GCM.");
  }
  return out;
}

Result<SecretBytes, Error> Pkcs11Cipher::decrypt(ByteSpan iv, ByteSpan context, ByteSpan sealed) {
  LATCHKEY_CHECK(iv.size() == kIvSize && sealed.size() >= kTagSize &&
                 sealed.size() <= kMaxPlain + kTagSize);
  const auto opened = open(where_);
  if (!opened) {
    return fail(opened.error());
  }
  CK_FUNCTION_LIST& call = opened->token->call();
  CK_GCM_PARAMS params = params_of(iv, context);
  CK_MECHANISM mechanism{CKM_AES_GCM, &params, sizeof params};
  const CK_SESSION_HANDLE handle = opened->token->handle();
  if (const CK_RV rv = call.C_DecryptInit(handle, &mechanism, opened->key); rv != CKR_OK) {
    return refuse(Error::Code::kSystem,
                  "The token " + where_.token + " does not decrypt (" + number_of(rv) + ").",
                  "Its key must be an AES key that may encrypt and decrypt by AES-GCM.");
  }
  // Some tokens want room for the tag, too.
  SecretBytes room(sealed.size());
  CK_ULONG size = room.size();
  const CK_RV rv = call.C_Decrypt(handle, const_cast<CK_BYTE_PTR>(sealed.data()), sealed.size(),
                                  room.writable().data(), &size);
  if (rv != CKR_OK || size + kTagSize != sealed.size()) {
    // What tokens answer to a tag that does not fit differs from one to the next.
    return refuse(Error::Code::kForeign,
                  "The key \"" + where_.object + "\" in the token " + where_.token +
                      " is not the one that was used (" + number_of(rv) + ").",
                  "Name the key and the token that were used.");
  }
  return SecretBytes::copy_of(room.span().first(size));
}

}  // namespace latchkey::platform
