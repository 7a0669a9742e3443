#include "platform/pkcs11.h"

#include <dlfcn.h>
#include <p11-kit/pkcs11.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <vector>

#include "crypto/hash.h"

namespace latchkey::platform {
namespace {

constexpr std::size_t kMaxPinFile = 256;
constexpr std::size_t kMaxSlots = 64;
constexpr std::size_t kMaxPoint = 256;

tl::unexpected<Error> refuse(Error::Code code, std::string message, std::string hint) {
  return fail(Error{code, std::move(message), std::move(hint)});
}

std::string number_of(CK_RV rv) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text = "0x000";
  for (std::size_t i = 0; i < 3; ++i) {
    text[4 - i] = kDigits[(rv >> (4U * i)) & 0xfU];
  }
  return text;
}

// Labels are filled up with blanks.
std::string label_of(const CK_TOKEN_INFO& info) {
  std::string text(reinterpret_cast<const char*>(info.label), sizeof info.label);
  text.erase(text.find_last_not_of(' ') + 1);
  return text;
}

ByteSpan pin_in(const SecretBytes& file) {
  ByteSpan pin = file.span();
  const auto end = std::find_if(pin.begin(), pin.end(),
                                [](std::uint8_t byte) { return byte == '\n' || byte == '\r'; });
  return pin.first(static_cast<std::size_t>(end - pin.begin()));
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
  TokenKey where;
  void* library = nullptr;
  CK_FUNCTION_LIST* call = nullptr;
  bool initialized = false;
  bool pin_refused = false;
  std::optional<CK_SESSION_HANDLE> session;
  CK_OBJECT_HANDLE key = 0;

  ~State() {
    close();
    if (library != nullptr) {
      ::dlclose(library);
    }
  }
  Result<void, Error> load();
  Result<void, Error> open();
  void close();
  [[nodiscard]] Result<CK_SLOT_ID, Error> find_slot() const;
  Result<void, Error> log_in();
  [[nodiscard]] std::vector<CK_OBJECT_HANDLE> find(CK_OBJECT_CLASS kind) const;
  CK_RV sign_once(const Digest256& digest, ByteArray<64>& raw) const;
};

Result<void, Error> Pkcs11Signer::State::load() {
  library = ::dlopen(where.module.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* why = ::dlerror();
    return refuse(Error::Code::kMissing,
                  "The PKCS#11 module " + where.module.string() +
                      " cannot be loaded: " + (why != nullptr ? why : "unknown"),
                  "Install the token's software, or correct the path of the module.");
  }
  const auto get = reinterpret_cast<CK_C_GetFunctionList>(::dlsym(library, "C_GetFunctionList"));
  if (get == nullptr || get(&call) != CKR_OK || call == nullptr) {
    return refuse(Error::Code::kMisuse, where.module.string() + " is no PKCS#11 module.",
                  "Name the token's own module, such as /usr/lib/softhsm/libsofthsm2.so.");
  }
  return {};
}

// From scratch: some modules only look for tokens when they are initialized.
Result<void, Error> Pkcs11Signer::State::open() {
  close();
  if (pin_refused) {
    return refuse(Error::Code::kLocked, "The token refused the PIN before.",
                  "Correct the PIN file and start again.");
  }
  CK_C_INITIALIZE_ARGS args{};
  args.flags = CKF_OS_LOCKING_OK;
  const CK_RV begun = call->C_Initialize(&args);
  if (begun != CKR_OK && begun != CKR_CRYPTOKI_ALREADY_INITIALIZED) {
    return refuse(Error::Code::kSystem,
                  where.module.string() + " does not start (" + number_of(begun) + ").",
                  "Check the module's own configuration.");
  }
  initialized = begun == CKR_OK;
  const auto slot = find_slot();
  if (!slot) {
    return fail(slot.error());
  }
  CK_SESSION_HANDLE handle = 0;
  if (const CK_RV rv = call->C_OpenSession(*slot, CKF_SERIAL_SESSION, nullptr, nullptr, &handle);
      rv != CKR_OK) {
    return refuse(Error::Code::kSystem,
                  "The token " + where.token + " cannot be opened (" + number_of(rv) + ").",
                  "Take it out, put it back and try again.");
  }
  session = handle;
  if (auto done = log_in(); !done) {
    return done;
  }
  const auto keys = find(CKO_PRIVATE_KEY);
  if (keys.size() != 1) {
    return refuse(Error::Code::kMissing,
                  "The token " + where.token + " has " + (keys.empty() ? "no" : "more than one") +
                      " EC private key called \"" + where.object + "\".",
                  "List what it holds: pkcs11-tool --module " + where.module.string() +
                      " --login --list-objects");
  }
  key = keys.front();
  return {};
}

void Pkcs11Signer::State::close() {
  if (session) {
    (void)call->C_CloseSession(*session);
    session.reset();
  }
  if (initialized) {
    (void)call->C_Finalize(nullptr);
    initialized = false;
  }
}

Result<CK_SLOT_ID, Error> Pkcs11Signer::State::find_slot() const {
  std::array<CK_SLOT_ID, kMaxSlots> slots{};
  CK_ULONG count = slots.size();
  if (const CK_RV rv = call->C_GetSlotList(CK_TRUE, slots.data(), &count); rv != CKR_OK) {
    return refuse(Error::Code::kSystem, "The module lists no tokens (" + number_of(rv) + ").",
                  "Check the module's own configuration.");
  }
  std::string there;
  for (CK_ULONG i = 0; i < count; ++i) {
    CK_TOKEN_INFO info{};
    if (call->C_GetTokenInfo(slots.at(i), &info) != CKR_OK) {
      continue;
    }
    const std::string label = label_of(info);
    if (label == where.token) {
      return slots.at(i);
    }
    there +=
        (there.empty() ? "" : ", ") + (label.empty() ? std::string("one without a label") : label);
  }
  return refuse(Error::Code::kMissing, "There is no token called \"" + where.token + "\".",
                there.empty() ? "Put the token in; none is there now."
                              : "Put it in, or name one that is there: " + there + ".");
}

Result<void, Error> Pkcs11Signer::State::log_in() {
  auto file = read_private_file(where.pin_file, kMaxPinFile);
  if (!file) {
    return fail(std::move(file).error());
  }
  const ByteSpan pin = pin_in(*file);
  const CK_RV rv =
      call->C_Login(*session, CKU_USER, const_cast<CK_UTF8CHAR_PTR>(pin.data()), pin.size());
  if (rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN) {
    return {};
  }
  pin_refused = rv == CKR_PIN_INCORRECT || rv == CKR_PIN_LOCKED || rv == CKR_PIN_LEN_RANGE ||
                rv == CKR_PIN_INVALID;
  if (rv == CKR_PIN_LOCKED) {
    return refuse(Error::Code::kLocked, "The token " + where.token + " is locked.",
                  "Unlock it with its security officer's PIN, then start again.");
  }
  return refuse(Error::Code::kLocked,
                "The token " + where.token + " refuses the PIN in " + where.pin_file.string() +
                    " (" + number_of(rv) + ").",
                "Correct the file; tokens lock themselves after a few wrong PINs.");
}

std::vector<CK_OBJECT_HANDLE> Pkcs11Signer::State::find(CK_OBJECT_CLASS kind) const {
  CK_KEY_TYPE type = CKK_EC;
  std::string label = where.object;
  std::array<CK_ATTRIBUTE, 3> wanted = {attribute(CKA_CLASS, &kind, sizeof kind),
                                        attribute(CKA_KEY_TYPE, &type, sizeof type),
                                        attribute(CKA_LABEL, label.data(), label.size())};
  std::array<CK_OBJECT_HANDLE, 2> found{};
  CK_ULONG count = 0;
  if (call->C_FindObjectsInit(*session, wanted.data(), wanted.size()) != CKR_OK) {
    return {};
  }
  if (call->C_FindObjects(*session, found.data(), found.size(), &count) != CKR_OK) {
    count = 0;
  }
  (void)call->C_FindObjectsFinal(*session);
  return {found.begin(), found.begin() + static_cast<std::ptrdiff_t>(count)};
}

CK_RV Pkcs11Signer::State::sign_once(const Digest256& digest, ByteArray<64>& raw) const {
  if (!session) {
    return CKR_SESSION_HANDLE_INVALID;
  }
  CK_MECHANISM mechanism{CKM_ECDSA, nullptr, 0};
  if (const CK_RV rv = call->C_SignInit(*session, &mechanism, key); rv != CKR_OK) {
    return rv;
  }
  CK_ULONG size = raw.size();
  const CK_RV rv = call->C_Sign(*session, const_cast<CK_BYTE_PTR>(digest.data()), digest.size(),
                                raw.data(), &size);
  return rv == CKR_OK && size != raw.size() ? CKR_KEY_SIZE_RANGE : rv;
}

Pkcs11Signer::Pkcs11Signer(std::unique_ptr<State> state) : state_(std::move(state)) {}
Pkcs11Signer::~Pkcs11Signer() = default;

Result<std::unique_ptr<Pkcs11Signer>, Error> Pkcs11Signer::open(TokenKey where) {
  auto state = std::make_unique<State>();
  state->where = std::move(where);
  if (auto done = state->load(); !done) {
    return fail(std::move(done).error());
  }
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
    return refuse(Error::Code::kSystem,
                  "The token " + state_->where.token + " does not sign (" + number_of(rv) + ").",
                  "Its key must be an EC key on P-256 that may sign.");
  }
  return *std::move(der);
}

Result<crypto::PublicKey, Error> Pkcs11Signer::public_key() {
  if (!state_->session) {
    if (auto opened = state_->open(); !opened) {
      return fail(std::move(opened).error());
    }
  }
  std::vector<CK_OBJECT_HANDLE> objects = state_->find(CKO_PUBLIC_KEY);
  objects.push_back(state_->key);
  for (const CK_OBJECT_HANDLE object : objects) {
    ByteArray<kMaxPoint> value{};
    CK_ATTRIBUTE point = attribute(CKA_EC_POINT, value.data(), value.size());
    if (state_->call->C_GetAttributeValue(*state_->session, object, &point, 1) == CKR_OK &&
        point.ulValueLen <= value.size()) {
      if (auto key = key_of_point(ByteSpan(value).first(point.ulValueLen))) {
        return *std::move(key);
      }
    }
  }
  return refuse(Error::Code::kMissing,
                "The token " + state_->where.token + " does not tell the public key of \"" +
                    state_->where.object + "\".",
                "Store the public key beside the private one, under the same label.");
}

}  // namespace latchkey::platform
