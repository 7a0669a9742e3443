// One P-256 key in a PKCS#11 token (version 2.40), for signatures: the module is loaded and called
// directly, and the private key never leaves the token. One thread. Loading a module costs memory;
// nothing happens before open().
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "crypto/keys.h"
#include "platform/error.h"

namespace latchkey::platform {

struct TokenKey {
  std::filesystem::path module;  // the vendor's .so
  std::string token;             // the token's label
  std::string object;            // the private key's label (CKA_LABEL)
  // Its first line is the PIN. Must be its owner's alone (kUnsafe). Read whenever the token is
  // opened, and wiped.
  std::filesystem::path pin_file;
};

class Pkcs11Signer {
 public:
  // Loads the module, finds the token, logs in, finds the key. kMissing, kUnsafe, kLocked (the PIN
  // was refused), kSystem, each with what to do about it.
  static Result<std::unique_ptr<Pkcs11Signer>, Error> open(TokenKey where);
  Pkcs11Signer(const Pkcs11Signer&) = delete;
  Pkcs11Signer& operator=(const Pkcs11Signer&) = delete;
  ~Pkcs11Signer();

  // ECDSA over SHA-256 of `data`, DER. A token that was taken out and put back is opened again,
  // once in each call. A PIN that was refused is never tried again: tokens count.
  Result<Bytes, Error> sign(ByteSpan data);
  // From the token's public key object of the same label, or from the private one.
  Result<crypto::PublicKey, Error> public_key();

 private:
  struct State;
  explicit Pkcs11Signer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// What a file holds that must be its owner's alone: kMissing, kUnsafe, kSystem (over `limit`).
enum class Readers {
  kOwner,
  kGroupToo,  // for places that are protected otherwise
};
Result<SecretBytes, Error> read_private_file(const std::filesystem::path& path, std::size_t limit,
                                             Readers readers = Readers::kOwner);

}  // namespace latchkey::platform
