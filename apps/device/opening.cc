#include "device/opening.h"

#include <spdlog/spdlog.h>

#include <iostream>

#include "device/erase.h"

namespace latchkey::device {

int complain(int code, const std::string& what, const std::string& hint) {
  std::cerr << "latchkey-device: " << what << '\n' << hint << '\n';
  return code;
}

ErasePlan plan_of(const RunOptions& options) {
  std::error_code ignored;
  const bool file = !options.access_log.empty() && options.access_log != "-";
  return {options.reset_erases,
          file ? std::filesystem::absolute(options.access_log, ignored).string() : std::string()};
}

namespace {

// A reset that was cut off goes on before anything is served.
int settle_reset(const RunOptions& options, Random& random, store::DeviceStore& store,
                 StoreDoor& door) {
  for (const auto& folder : options.reset_erases) {
    std::error_code ignored;
    if (folder.is_absolute() && std::filesystem::symlink_status(folder, ignored).type() ==
                                    std::filesystem::file_type::not_found) {
      // Of a service that has not run yet, or is not used.
      spdlog::info("{} is not there: a factory reset finds nothing to empty", folder.string());
      continue;
    }
    if (const auto why = refuse_to_erase(folder, options.state)) {
      return complain(kMisused, "--reset-erases: " + *why,
                      "Name the folder of the service's data.");
    }
  }
  const ErasePlan plan = plan_of(options);
  if (is_reset_pending(options.state)) {
    // Both what was to be erased when it began and what is now.
    const auto before = read_plan(options.state);
    auto done = before ? erase_content(*before) : ResetResult(fail(before.error()));
    if (done) {
      done = erase_content(plan);
    }
    if (done) {
      done = erase_store(store, random);
    }
    if (done) {
      done = accept_store(store, door);
    }
    if (done) {
      done = end_reset(options.state);
    }
    if (!done) {
      return complain(kFailed, "A factory reset has begun and cannot go on: " + done.error() + ".",
                      "Until then nothing is served. Mend that and start the device again.");
    }
    spdlog::warn("factory reset: what was cut off is done now");
  }
  if (const auto written = write_plan(options.state, plan); !written) {
    return complain(kFailed, "The state cannot be written: " + written.error() + ".",
                    "Check the folder and its permissions.");
  }
  return kDone;
}

}  // namespace

int open_records(const RunOptions& options, Random& random, StoreDoor& door,
                 std::unique_ptr<store::DeviceStore>& store) {
  const bool pending = is_reset_pending(options.state);
  auto opened = door.open();
  if (!opened && pending &&
      (opened.error().kind == StoreTrouble::Kind::kKey ||
       opened.error().kind == StoreTrouble::Kind::kDamaged) &&
      discard_store(options.state, door)) {
    opened = door.open();
  }
  if (!opened) {
    return complain(opened.error().kind == StoreTrouble::Kind::kOptions ? kMisused : kFailed,
                    opened.error().message, opened.error().hint);
  }
  store = *std::move(opened);
  if (const int code = settle_reset(options, random, *store, door); code != kDone) {
    return code;
  }
  if (const auto current = pending ? Result<void, StoreTrouble>() : door.watch(*store); !current) {
    return complain(kFailed, current.error().message, current.error().hint);
  }
  const std::string before = store->sealed().kind;
  if (const auto sealed = door.seal(*store); !sealed) {
    return complain(kFailed, sealed.error().message, sealed.error().hint);
  }
  if (before != store->sealed().kind) {
    spdlog::info("the records are sealed now: {}", store->sealed().kind);
  }
  return kDone;
}

}  // namespace latchkey::device
