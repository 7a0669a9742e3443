#include "device/seal_commands.h"

#include <iostream>
#include <nlohmann/json.hpp>

#include "device/seal_key.h"
#include "device/store_door.h"
#include "net/task.h"

namespace latchkey::device {

namespace {

using nlohmann::json;

int complain(const CommandOptions& options, const StoreTrouble& trouble) {
  using Kind = StoreTrouble::Kind;
  const char* code = trouble.kind == Kind::kOptions   ? "malformed"
                     : trouble.kind == Kind::kBusy    ? "busy"
                     : trouble.kind == Kind::kKey     ? "key"
                     : trouble.kind == Kind::kDamaged ? "damaged"
                     : trouble.kind == Kind::kOld     ? "old"
                                                      : "internal";
  if (options.json) {
    const json error = {{"code", code}, {"message", trouble.message}, {"hint", trouble.hint}};
    std::cout << json{{"error", error}}.dump(-1, ' ', false, json::error_handler_t::replace)
              << '\n';
  } else {
    std::cerr << trouble.message << '\n' << trouble.hint << '\n';
  }
  return trouble.kind == Kind::kOptions ? kMisused : kFailed;
}

int tell(const CommandOptions& options, const json& result, const std::string& text) {
  std::cout << (options.json ? result.dump(-1, ' ', false, json::error_handler_t::replace) : text)
            << '\n';
  return kDone;
}

std::string lines_for(const SealOptions& as) {
  if (!as.key_file.empty()) {
    return "  seal-key = \"" + as.key_file.string() + "\"\n";
  }
  return "  seal-pkcs11 = \"" + as.module.string() + "\"\n  seal-token = \"" + as.token +
         "\"\n  seal-object = \"" + as.object + "\"\n  seal-pin-file = \"" + as.pin_file.string() +
         "\"\n";
}

bool has_store(const CommandOptions& options) {
  std::error_code ignored;
  return std::filesystem::exists(
      std::filesystem::symlink_status(options.state / store::DeviceStore::kFile, ignored));
}

}  // namespace

int seal(const CommandOptions& options, const SealOptions& now, const SealOptions& with) {
  using Kind = StoreTrouble::Kind;
  net::SystemRandom random;
  StoreDoor door(random, options.state, now);
  const bool there = has_store(options);
  // The store first: no key is made for one that cannot be opened.
  Result<std::unique_ptr<store::DeviceStore>, StoreTrouble> store = nullptr;
  if (there) {
    store = door.open();
    if (!store) {
      return complain(options, store.error());
    }
    if (const auto current = door.watch(**store); !current) {
      return complain(options, current.error());
    }
  }
  std::error_code ignored;
  bool made = false;
  if (!with.key_file.empty() && !std::filesystem::exists(with.key_file, ignored)) {
    const auto fresh = make_seal_key(with.key_file, random);
    if (!fresh) {
      return complain(options, {Kind::kOther, fresh.error().message, fresh.error().hint});
    }
    made = true;
  }
  if (there) {
    if (const auto sealed = door.seal(**store, with); !sealed) {
      return complain(options, sealed.error());
    }
  } else if (with.key_file.empty()) {
    return complain(options,
                    {Kind::kOther, "There are no records yet in " + options.state.string() + ".",
                     "Start the device with these options; it seals them then."});
  }
  const std::string done = there  ? "The records are sealed. Say so in the device's configuration:"
                           : made ? "The key is made. Say so in the device's configuration:"
                                  : "The key is there. Say so in the device's configuration:";
  const std::string keep = with.key_file.empty()
                               ? ""
                               : "Keep a copy elsewhere: without it the device forgets everybody.";
  return tell(options, {{"sealed", there}, {"key_made", made}},
              done + "\n\n" + lines_for(with) + "\n" + keep);
}

int unseal(const CommandOptions& options, const SealOptions& now) {
  net::SystemRandom random;
  StoreDoor door(random, options.state, now);
  auto store = door.open();
  if (!store) {
    return complain(options, store.error());
  }
  if (const auto current = door.watch(**store); !current) {
    return complain(options, current.error());
  }
  if (const auto done = door.seal(**store, SealOptions()); !done) {
    return complain(options, done.error());
  }
  return tell(options, {{"sealed", false}},
              "The records are not sealed any more: whoever reads the disk reads them. Take the "
              "seal-... lines out of the device's configuration.");
}

int accept_store(const CommandOptions& options, const SealOptions& now) {
  if (!has_store(options)) {
    return complain(options, {StoreTrouble::Kind::kOther,
                              "There are no records in " + options.state.string() + ".",
                              "Name the device's folder with --state."});
  }
  net::SystemRandom random;
  StoreDoor door(random, options.state, now);
  auto store = door.open();
  if (!store) {
    return complain(options, store.error());
  }
  if (const auto done = door.accept(**store); !done) {
    return complain(options, done.error());
  }
  return tell(options, {{"accepted", true}},
              "The records are taken as they are. Start the device.");
}

}  // namespace latchkey::device
