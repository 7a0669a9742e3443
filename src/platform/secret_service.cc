#include "platform/secret_service.h"

#include <dlfcn.h>
#include <libsecret/secret.h>

#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

namespace latchkey::platform {
namespace {

constexpr const char* kLibrary = "libsecret-1.so.0";
constexpr const char* kSchema = "org.latchkey.StoreKey";
constexpr const char* kAttribute = "latchkey-key";
constexpr std::size_t kKeySize = 32;
constexpr std::string_view kDigits = "0123456789abcdef";

// Text, not bytes: some keyrings show, export and keep text only.
SecretBytes hex_of(ByteSpan bytes) {
  SecretBytes text(bytes.size() * 2 + 1);  // ends with 0
  const auto out = text.writable();
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    out[2 * i] = static_cast<std::uint8_t>(kDigits[bytes[i] >> 4U]);
    out[2 * i + 1] = static_cast<std::uint8_t>(kDigits[bytes[i] & 0xfU]);
  }
  return text;
}

std::optional<SecretBytes> from_hex(std::string_view text) {
  if (text.size() != 2 * kKeySize) {
    return std::nullopt;
  }
  SecretBytes key(kKeySize);
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto digit = kDigits.find(text[i]);
    if (digit == std::string_view::npos) {
      return std::nullopt;
    }
    auto& byte = key.writable()[i / 2];
    byte = static_cast<std::uint8_t>((byte << 4U) | digit);
  }
  return key;
}

tl::unexpected<Error> refuse(Error::Code code, std::string message, std::string hint) {
  return fail(Error{code, std::move(message), std::move(hint)});
}

tl::unexpected<Error> is_locked() {
  return refuse(Error::Code::kLocked, "The keyring is locked.",
                "Unlock it, as your desktop does when you log in, then run `latchkey unlock`.");
}

const SecretSchema& schema() {
  static const SecretSchema kOurs = [] {
    SecretSchema made{};
    made.name = kSchema;
    made.flags = SECRET_SCHEMA_NONE;
    made.attributes[0] = {kAttribute, SECRET_SCHEMA_ATTRIBUTE_STRING};
    return made;
  }();
  return kOurs;
}

}  // namespace

// What is used of it, by name.
struct SecretService::Library {
  void* handle = nullptr;
  decltype(&secret_service_get_sync) service_get = nullptr;
  decltype(&secret_service_disconnect) disconnect = nullptr;
  decltype(&secret_service_search_sync) search = nullptr;
  decltype(&secret_service_unlock_sync) unlock = nullptr;
  decltype(&secret_service_store_sync) store = nullptr;
  decltype(&secret_service_clear_sync) clear = nullptr;
  decltype(&secret_collection_for_alias_sync) collection = nullptr;
  decltype(&secret_collection_get_locked) collection_locked = nullptr;
  decltype(&secret_item_get_locked) item_locked = nullptr;
  decltype(&secret_item_load_secret_sync) load_secret = nullptr;
  decltype(&secret_item_get_secret) item_secret = nullptr;
  decltype(&secret_value_new) value_new = nullptr;
  decltype(&secret_value_get) value_get = nullptr;
  decltype(&secret_value_unref) value_unref = nullptr;
  decltype(&g_cancellable_new) cancellable_new = nullptr;
  decltype(&g_cancellable_cancel) cancel = nullptr;
  decltype(&g_object_unref) unref = nullptr;
  decltype(&g_error_free) error_free = nullptr;
  decltype(&g_hash_table_new) table_new = nullptr;
  decltype(&g_hash_table_insert) table_insert = nullptr;
  decltype(&g_hash_table_unref) table_unref = nullptr;
  decltype(&g_list_append) list_append = nullptr;
  decltype(&g_list_free) list_free = nullptr;
  decltype(&g_str_hash) str_hash = nullptr;
  decltype(&g_str_equal) str_equal = nullptr;

  bool load() {
    // Never unloaded: GLib's types and threads stay.
    handle = ::dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL);
    bool all = handle != nullptr;
    const auto find = [&](auto& function, const char* name) {
      function =
          all ? reinterpret_cast<std::remove_reference_t<decltype(function)>>(::dlsym(handle, name))
              : nullptr;
      all = all && function != nullptr;
    };
    find(service_get, "secret_service_get_sync");
    find(disconnect, "secret_service_disconnect");
    find(search, "secret_service_search_sync");
    find(unlock, "secret_service_unlock_sync");
    find(store, "secret_service_store_sync");
    find(clear, "secret_service_clear_sync");
    find(collection, "secret_collection_for_alias_sync");
    find(collection_locked, "secret_collection_get_locked");
    find(item_locked, "secret_item_get_locked");
    find(load_secret, "secret_item_load_secret_sync");
    find(item_secret, "secret_item_get_secret");
    find(value_new, "secret_value_new");
    find(value_get, "secret_value_get");
    find(value_unref, "secret_value_unref");
    find(cancellable_new, "g_cancellable_new");
    find(cancel, "g_cancellable_cancel");
    find(unref, "g_object_unref");
    find(error_free, "g_error_free");
    find(table_new, "g_hash_table_new");
    find(table_insert, "g_hash_table_insert");
    find(table_unref, "g_hash_table_unref");
    find(list_append, "g_list_append");
    find(list_free, "g_list_free");
    find(str_hash, "g_str_hash");
    find(str_equal, "g_str_equal");
    return all;
  }
};

// One conversation with the service: it ends when the patience does.
class SecretService::Call {
 public:
  Call(const Library& library, std::chrono::milliseconds patience)
      : library_(library), cancellable_(library.cancellable_new()), watch_([this, patience] {
          std::unique_lock lock(mutex_);
          if (!ended_.wait_for(lock, patience, [this] { return over_; })) {
            late_ = true;
            library_.cancel(cancellable_);
          }
        }) {}
  ~Call() {
    {
      const std::lock_guard lock(mutex_);
      over_ = true;
    }
    ended_.notify_all();
    watch_.join();
    if (collection_ != nullptr) {
      library_.unref(collection_);
    }
    if (service_ != nullptr) {
      library_.unref(service_);
    }
    // The daemon may be another one the next time.
    library_.disconnect();
    library_.unref(cancellable_);
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  Result<void, Error> reach() {
    GError* error = nullptr;
    service_ = library_.service_get(SECRET_SERVICE_OPEN_SESSION, cancellable_, &error);
    return service_ != nullptr ? Result<void, Error>() : no_service(error);
  }
  // kMissing: there is no default keyring.
  // The keyring that keys go to by default; whether it is locked is known afterwards.
  Result<void, Error> reach_collection() {
    auto reached = reach();
    return reached ? find_collection() : reached;
  }
  Result<void, Error> find_collection() {
    GError* error = nullptr;
    collection_ = library_.collection(service_, SECRET_COLLECTION_DEFAULT, SECRET_COLLECTION_NONE,
                                      cancellable_, &error);
    if (error != nullptr) {
      return no_service(error);
    }
    if (collection_ == nullptr) {
      return refuse(Error::Code::kMissing, "There is no keyring yet.",
                    "Make one with your desktop's program for passwords and keys.");
    }
    return {};
  }
  [[nodiscard]] bool is_locked() const { return library_.collection_locked(collection_) != 0; }
  Result<void, Error> unlock() {
    GList* objects = library_.list_append(nullptr, collection_);
    GError* error = nullptr;
    GList* unlocked = nullptr;
    const int count = library_.unlock(service_, objects, cancellable_, &unlocked, &error);
    library_.list_free(objects);
    for (GList* item = unlocked; item != nullptr; item = item->next) {
      library_.unref(item->data);
    }
    library_.list_free(unlocked);
    if (error != nullptr) {
      library_.error_free(error);
    }
    return count > 0 ? Result<void, Error>() : platform::is_locked();
  }
  Result<void, Error> put(GHashTable* attributes, const std::string& label, ByteSpan key) {
    SecretBytes text = hex_of(key);
    SecretValue* value = library_.value_new(reinterpret_cast<const char*>(text.span().data()),
                                            static_cast<gssize>(text.size() - 1), "text/plain");
    GError* error = nullptr;
    const bool done = library_.store(service_, &schema(), attributes, SECRET_COLLECTION_DEFAULT,
                                     label.c_str(), value, cancellable_, &error) != 0;
    library_.value_unref(value);
    return done ? Result<void, Error>() : no_service(error);
  }
  Result<SecretBytes, Error> get(GHashTable* attributes) {
    GError* error = nullptr;
    GList* items =
        library_.search(service_, &schema(), attributes, SECRET_SEARCH_ALL, cancellable_, &error);
    if (error != nullptr) {
      return fail(no_service(error).error());
    }
    Result<SecretBytes, Error> found =
        refuse(Error::Code::kMissing, "The keyring does not have Latchkey's key any more.",
               "Restore the keyring from a backup.");
    for (GList* item = items; item != nullptr; item = item->next) {
      if (!found) {
        found = read(static_cast<SecretItem*>(item->data));
      }
      library_.unref(item->data);
    }
    library_.list_free(items);
    return found;
  }
  Result<void, Error> drop(GHashTable* attributes) {
    GError* error = nullptr;
    (void)library_.clear(service_, &schema(), attributes, cancellable_, &error);
    return error == nullptr ? Result<void, Error>() : no_service(error);
  }

 private:
  Result<SecretBytes, Error> read(SecretItem* item) {
    if (library_.item_locked(item) != 0) {
      return platform::is_locked();
    }
    GError* error = nullptr;
    if (library_.load_secret(item, cancellable_, &error) == 0) {
      return fail(no_service(error).error());
    }
    SecretValue* value = library_.item_secret(item);
    gsize size = 0;
    const char* text = value != nullptr ? library_.value_get(value, &size) : nullptr;
    auto key = text != nullptr ? from_hex({text, size}) : std::nullopt;
    if (value != nullptr) {
      library_.value_unref(value);
    }
    if (!key) {
      return refuse(Error::Code::kMissing,
                    "What the keyring has in the place of Latchkey's key is "
                    "something else.",
                    "Restore the keyring from a backup.");
    }
    return *std::move(key);
  }
  // Takes the error.
  Result<void, Error> no_service(GError* error) {
    std::string why = error != nullptr ? error->message : "no answer";
    if (error != nullptr) {
      library_.error_free(error);
    }
    const std::lock_guard lock(mutex_);
    return refuse(Error::Code::kSystem,
                  late_ ? "The keyring does not answer." : "There is no keyring: " + why,
                  "Log in to your desktop, then run `latchkey unlock`.");
  }

  const Library& library_;
  std::mutex mutex_;
  std::condition_variable ended_;
  bool over_ = false;
  bool late_ = false;
  GCancellable* cancellable_;
  ::SecretService* service_ = nullptr;
  SecretCollection* collection_ = nullptr;
  std::thread watch_;
};

namespace {

// Lives as long as what it was made from.
class Attributes {
 public:
  template <class Library>
  Attributes(const Library& library, ByteSpan name)
      : text_(hex_of(name)),
        table_(library.table_new(library.str_hash, library.str_equal)),
        free_(library.table_unref) {
    library.table_insert(table_, const_cast<char*>(kAttribute), text_.writable().data());
  }
  ~Attributes() { free_(table_); }
  Attributes(const Attributes&) = delete;
  Attributes& operator=(const Attributes&) = delete;
  [[nodiscard]] GHashTable* table() const { return table_; }

 private:
  SecretBytes text_;
  GHashTable* table_;
  decltype(&g_hash_table_unref) free_;
};

}  // namespace

SecretService::SecretService(std::chrono::milliseconds patience) : patience_(patience) {}
SecretService::~SecretService() = default;

Result<const SecretService::Library*, Error> SecretService::library() {
  if (library_ == nullptr) {
    auto loaded = std::make_unique<Library>();
    if (!loaded->load()) {
      return refuse(Error::Code::kSystem, "The library for keyrings (libsecret) is not there.",
                    "Install libsecret-1-0, then run `latchkey unlock`.");
    }
    library_ = std::move(loaded);
  }
  return library_.get();
}

Result<void, Error> SecretService::ready() {
  const auto lib = library();
  if (!lib) {
    return fail(lib.error());
  }
  Call call(**lib, patience_);
  if (auto reached = call.reach_collection(); !reached) {
    return reached;
  }
  return call.is_locked() ? Result<void, Error>(is_locked()) : Result<void, Error>();
}

Result<void, Error> SecretService::unlock(std::chrono::milliseconds patience) {
  const auto lib = library();
  if (!lib) {
    return fail(lib.error());
  }
  Call call(**lib, patience);
  if (auto reached = call.reach_collection(); !reached) {
    return reached;
  }
  return call.is_locked() ? call.unlock() : Result<void, Error>();
}

Result<void, Error> SecretService::put(const Name& name, const std::string& label, ByteSpan key) {
  const auto lib = library();
  if (!lib) {
    return fail(lib.error());
  }
  const Attributes attributes(**lib, name);
  Call call(**lib, patience_);
  // Storing in a locked keyring would ask the person, and wait.
  if (auto reached = call.reach_collection(); !reached) {
    return reached;
  }
  return call.is_locked() ? Result<void, Error>(is_locked())
                          : call.put(attributes.table(), label, key);
}

Result<SecretBytes, Error> SecretService::get(const Name& name) {
  const auto lib = library();
  if (!lib) {
    return fail(lib.error());
  }
  const Attributes attributes(**lib, name);
  Call call(**lib, patience_);
  if (auto reached = call.reach(); !reached) {
    return fail(reached.error());
  }
  return call.get(attributes.table());
}

Result<void, Error> SecretService::drop(const Name& name) {
  const auto lib = library();
  if (!lib) {
    return fail(lib.error());
  }
  const Attributes attributes(**lib, name);
  Call call(**lib, patience_);
  if (auto reached = call.reach(); !reached) {
    return reached;
  }
  return call.drop(attributes.table());
}

}  // namespace latchkey::platform
