#include "device/reset.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "device/erase.h"
#include "device/profile.h"
#include "net/local_message.h"
#include "store/discard.h"

namespace latchkey::device {

namespace {

using nlohmann::json;

constexpr const char* kMark = "reset.pending";
constexpr const char* kPlan = "reset-erases.json";
constexpr std::size_t kMaxPlan = 65536;

tl::unexpected<std::string> refuse(const std::filesystem::path& path) {
  return fail(path.string() + ": " + std::strerror(errno));
}

ResetResult sync_folder(const std::filesystem::path& folder) {
  const net::OwnedFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return fd.is_open() && ::fsync(fd.get()) == 0 ? ResetResult() : ResetResult(refuse(folder));
}

ResetResult write_file(const std::filesystem::path& path, const std::string& text) {
  const net::OwnedFd fd(
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd.is_open() ||
      ::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
      ::fsync(fd.get()) != 0) {
    return refuse(path);
  }
  return {};
}

// Nothing where there is none.
Result<std::optional<std::string>, std::string> read_file(const std::filesystem::path& path) {
  const net::OwnedFd fd(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.is_open()) {
    return errno == ENOENT ? Result<std::optional<std::string>, std::string>(std::nullopt)
                           : refuse(path);
  }
  std::string text(kMaxPlan + 1, '\0');
  const ssize_t got = ::read(fd.get(), text.data(), text.size());
  if (got < 0 || static_cast<std::size_t>(got) > kMaxPlan) {
    return fail(path.string() + " cannot be read");
  }
  text.resize(static_cast<std::size_t>(got));
  return text;
}

}  // namespace

ResetResult write_plan(const std::filesystem::path& state, const ErasePlan& plan) {
  if (const auto known = read_plan(state); known && *known == plan) {
    return {};  // no wear for nothing
  }
  json folders = json::array();
  for (const auto& folder : plan.folders) {
    folders.push_back(folder.string());
  }
  const std::filesystem::path fresh = state / (std::string(kPlan) + ".new");
  const std::string text = json{{"folders", folders}, {"access_log", plan.access_log}}.dump(
                               -1, ' ', false, json::error_handler_t::replace) +
                           "\n";
  if (auto written = write_file(fresh, text); !written) {
    return written;
  }
  if (::rename(fresh.c_str(), (state / kPlan).c_str()) != 0) {
    return refuse(state / kPlan);
  }
  return sync_folder(state);
}

Result<ErasePlan, std::string> read_plan(const std::filesystem::path& state) {
  const auto text = read_file(state / kPlan);
  if (!text) {
    return fail(text.error());
  }
  ErasePlan plan;
  if (!*text) {
    return plan;
  }
  const json document = json::parse(**text, nullptr, false);
  if (!document.is_object() || !document.contains("folders") || !document["folders"].is_array() ||
      !document.contains("access_log") || !document["access_log"].is_string()) {
    return fail((state / kPlan).string() +
                " is damaged; remove it and start the device once, which writes it anew");
  }
  for (const json& folder : document["folders"]) {
    if (!folder.is_string()) {
      return fail((state / kPlan).string() + " is damaged");
    }
    plan.folders.emplace_back(folder.get<std::string>());
  }
  plan.access_log = document["access_log"].get<std::string>();
  return plan;
}

bool is_reset_pending(const std::filesystem::path& state) {
  struct stat info{};
  return ::lstat((state / kMark).c_str(), &info) == 0;
}

ResetResult begin_reset(const std::filesystem::path& state, const ErasePlan& plan) {
  for (const auto& folder : plan.folders) {
    std::error_code ignored;
    if (!std::filesystem::exists(std::filesystem::symlink_status(folder, ignored))) {
      continue;  // nothing to erase
    }
    if (auto why = refuse_to_erase(folder, state)) {
      return fail(without_dot(*std::move(why)));
    }
  }
  auto written = write_file(state / kMark, "a factory reset has begun\n");
  if (written) {
    written = sync_folder(state);
  }
  if (!written) {
    (void)::unlink((state / kMark).c_str());
  }
  return written;
}

ResetResult erase_content(const ErasePlan& plan) {
  for (const auto& folder : plan.folders) {
    if (auto done = erase_inside(folder); !done) {
      return done;
    }
  }
  if (plan.access_log.empty() || plan.access_log == "-") {
    return {};
  }
  // It names web services; whoever has it open appends, and goes on at the beginning.
  const net::OwnedFd log(
      ::open(plan.access_log.c_str(), O_WRONLY | O_TRUNC | O_NONBLOCK | O_CLOEXEC));
  if (!log.is_open()) {
    return errno == ENOENT ? ResetResult() : ResetResult(refuse(plan.access_log));
  }
  struct stat info{};
  if (::fstat(log.get(), &info) == 0 && S_ISREG(info.st_mode) && ::fsync(log.get()) != 0) {
    return refuse(plan.access_log);
  }
  return {};
}

ResetResult erase_store(store::DeviceStore& store, Random& random) {
  const auto profile = store.profile();
  const std::string type = profile && *profile ? (*profile)->type : "media-cache";
  // The name was the old owner's too.
  const auto done = store.factory_reset(fresh_profile(random, default_name(), type));
  return done ? ResetResult() : ResetResult(fail(done.error().detail));
}

std::string without_dot(std::string text) {
  if (text.ends_with('.')) {
    text.pop_back();
  }
  return text;
}

// The witness first: it would take the next store for an older copy.
ResetResult discard_store(const std::filesystem::path& state, StoreDoor& door) {
  if (const auto gone = door.forget_witness(); !gone) {
    return fail(without_dot(gone.error().message));
  }
  const auto done = store::discard(state, std::string(store::DeviceStore::kFile));
  return done ? ResetResult() : ResetResult(fail(done.error().detail));
}

ResetResult accept_store(store::DeviceStore& store, StoreDoor& door) {
  const auto done = door.accept(store);
  return done ? ResetResult() : ResetResult(fail(without_dot(done.error().message)));
}

ResetResult end_reset(const std::filesystem::path& state) {
  if (::unlink((state / kMark).c_str()) != 0 && errno != ENOENT) {
    return refuse(state / kMark);
  }
  return sync_folder(state);
}

}  // namespace latchkey::device
