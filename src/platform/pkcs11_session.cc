#include "platform/pkcs11_session.h"

#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "platform/pkcs11.h"

namespace latchkey::platform {
namespace {

constexpr std::size_t kMaxPinFile = 256;
constexpr std::size_t kMaxSlots = 64;

tl::unexpected<Error> refuse(Error::Code code, std::string message, std::string hint) {
  return fail(Error{code, std::move(message), std::move(hint)});
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

}  // namespace

std::string number_of(CK_RV rv) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text = "0x000";
  for (std::size_t i = 0; i < 3; ++i) {
    text[4 - i] = kDigits[(rv >> (4U * i)) & 0xfU];
  }
  return text;
}

Result<std::unique_ptr<TokenSession>, Error> TokenSession::load(TokenPlace where) {
  std::unique_ptr<TokenSession> made(new TokenSession(std::move(where)));
  made->library_ = ::dlopen(made->where_.module.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (made->library_ == nullptr) {
    const char* why = ::dlerror();
    return refuse(Error::Code::kMissing,
                  "The PKCS#11 module " + made->where_.module.string() +
                      " cannot be loaded: " + (why != nullptr ? why : "unknown"),
                  "Install the token's software, or correct the path of the module.");
  }
  const auto get =
      reinterpret_cast<CK_C_GetFunctionList>(::dlsym(made->library_, "C_GetFunctionList"));
  if (get == nullptr || get(&made->call_) != CKR_OK || made->call_ == nullptr) {
    return refuse(Error::Code::kMisuse, made->where_.module.string() + " is no PKCS#11 module.",
                  "Name the token's own module, such as /usr/lib/softhsm/libsofthsm2.so.");
  }
  return made;
}

TokenSession::~TokenSession() {
  close();
  if (library_ != nullptr) {
    ::dlclose(library_);
  }
}

// From scratch: some modules only look for tokens when they are initialized.
Result<void, Error> TokenSession::open() {
  close();
  if (pin_refused_) {
    return refuse(Error::Code::kLocked, "The token refused the PIN before.",
                  "Correct the PIN file and start again.");
  }
  CK_C_INITIALIZE_ARGS args{};
  args.flags = CKF_OS_LOCKING_OK;
  const CK_RV begun = call_->C_Initialize(&args);
  if (begun != CKR_OK && begun != CKR_CRYPTOKI_ALREADY_INITIALIZED) {
    return refuse(Error::Code::kSystem,
                  where_.module.string() + " does not start (" + number_of(begun) + ").",
                  "Check the module's own configuration.");
  }
  initialized_ = begun == CKR_OK;
  const auto slot = find_slot();
  if (!slot) {
    return fail(slot.error());
  }
  CK_SESSION_HANDLE handle = 0;
  if (const CK_RV rv = call_->C_OpenSession(*slot, CKF_SERIAL_SESSION, nullptr, nullptr, &handle);
      rv != CKR_OK) {
    return refuse(Error::Code::kSystem,
                  "The token " + where_.token + " cannot be opened (" + number_of(rv) + ").",
                  "Take it out, put it back and try again.");
  }
  session_ = handle;
  return log_in();
}

void TokenSession::close() {
  if (session_) {
    (void)call_->C_CloseSession(*session_);
    session_.reset();
  }
  if (initialized_) {
    (void)call_->C_Finalize(nullptr);
    initialized_ = false;
  }
}

Result<CK_SLOT_ID, Error> TokenSession::find_slot() const {
  std::array<CK_SLOT_ID, kMaxSlots> slots{};
  CK_ULONG count = slots.size();
  if (const CK_RV rv = call_->C_GetSlotList(CK_TRUE, slots.data(), &count); rv != CKR_OK) {
    return refuse(Error::Code::kSystem, "The module lists no tokens (" + number_of(rv) + ").",
                  "Check the module's own configuration.");
  }
  std::string there;
  for (CK_ULONG i = 0; i < count; ++i) {
    CK_TOKEN_INFO info{};
    if (call_->C_GetTokenInfo(slots.at(i), &info) != CKR_OK) {
      continue;
    }
    const std::string label = label_of(info);
    if (label == where_.token) {
      return slots.at(i);
    }
    there +=
        (there.empty() ? "" : ", ") + (label.empty() ? std::string("one without a label") : label);
  }
  return refuse(Error::Code::kMissing, "There is no token called \"" + where_.token + "\".",
                there.empty() ? "Put the token in; none is there now."
                              : "Put it in, or name one that is there: " + there + ".");
}

Result<void, Error> TokenSession::log_in() {
  auto file = read_private_file(where_.pin_file, kMaxPinFile);
  if (!file) {
    return fail(std::move(file).error());
  }
  const ByteSpan pin = pin_in(*file);
  const CK_RV rv =
      call_->C_Login(*session_, CKU_USER, const_cast<CK_UTF8CHAR_PTR>(pin.data()), pin.size());
  if (rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN) {
    return {};
  }
  pin_refused_ = rv == CKR_PIN_INCORRECT || rv == CKR_PIN_LOCKED || rv == CKR_PIN_LEN_RANGE ||
                 rv == CKR_PIN_INVALID;
  if (rv == CKR_PIN_LOCKED) {
    return refuse(Error::Code::kLocked, "The token " + where_.token + " is locked.",
                  "Unlock it with its security officer's PIN, then start again.");
  }
  return refuse(Error::Code::kLocked,
                "The token " + where_.token + " refuses the PIN in " + where_.pin_file.string() +
                    " (" + number_of(rv) + ").",
                "Correct the file; tokens lock themselves after a few wrong PINs.");
}

std::vector<CK_OBJECT_HANDLE> TokenSession::find(CK_OBJECT_CLASS kind, CK_KEY_TYPE type,
                                                 std::string label) const {
  std::array<CK_ATTRIBUTE, 3> wanted = {
      CK_ATTRIBUTE{CKA_CLASS, &kind, sizeof kind}, CK_ATTRIBUTE{CKA_KEY_TYPE, &type, sizeof type},
      CK_ATTRIBUTE{CKA_LABEL, label.data(), static_cast<CK_ULONG>(label.size())}};
  std::array<CK_OBJECT_HANDLE, 2> found{};
  CK_ULONG count = 0;
  if (call_->C_FindObjectsInit(*session_, wanted.data(), wanted.size()) != CKR_OK) {
    return {};
  }
  if (call_->C_FindObjects(*session_, found.data(), found.size(), &count) != CKR_OK) {
    count = 0;
  }
  (void)call_->C_FindObjectsFinal(*session_);
  return {found.begin(), found.begin() + static_cast<std::ptrdiff_t>(count)};
}

}  // namespace latchkey::platform
