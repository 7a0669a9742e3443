#include "device/file_backend.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "wire/http_selection.h"

namespace latchkey::device {

namespace {

constexpr std::size_t kBlock = 64 * 1024;
// With its head this is one TLS record.
constexpr std::uint64_t kSmall = 14 * 1024;

std::string join(const std::vector<std::string>& names) {
  std::string path;
  for (const std::string& name : names) {
    path.append(path.empty() ? "" : "/").append(name);
  }
  return path;
}

}  // namespace

std::unique_ptr<FileBackend> FileBackend::open(const std::string& folder, const Clock& clock,
                                               const net::Executor& executor) {
  net::OwnedFd root(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root.is_open()) {
    return nullptr;
  }
  return std::unique_ptr<FileBackend>(new FileBackend(std::move(root), clock, executor));
}

net::OwnedFd FileBackend::open_beneath(const std::vector<std::string>& names) const {
  // A pipe or a device file must not block the loop, so nothing waits in open().
  constexpr int kFlags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  const std::string path = names.empty() ? "." : join(names);
  open_how how{};
  how.flags = kFlags;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  const long fd = ::syscall(SYS_openat2, root_.get(), path.c_str(), &how, sizeof how);
  if (fd >= 0 || (errno != ENOSYS && errno != EPERM)) {
    return net::OwnedFd(static_cast<int>(fd));
  }
  net::OwnedFd folder(::openat(root_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  for (std::size_t i = 0; i < names.size() && folder.is_open(); ++i) {
    const int kind = i + 1 == names.size() ? 0 : O_DIRECTORY;
    folder = net::OwnedFd(::openat(folder.get(), names[i].c_str(), kFlags | O_NOFOLLOW | kind));
  }
  return folder;
}

bool FileBackend::has_root_page() const {
  std::vector<std::string> path(1);
  return find(path) != nullptr;
}

std::shared_ptr<const OpenFile> FileBackend::find(std::vector<std::string>& path) const {
  const bool as_folder = path.back().empty();
  if (as_folder) {
    path.back() = "index.html";
  }
  auto opened = std::make_shared<OpenFile>();
  opened->file = open_beneath(path);
  opened->name = path.back();
  struct stat& info = opened->seen;
  if (!opened->file.is_open() || ::fstat(opened->file.get(), &info) != 0) {
    return nullptr;
  }
  opened->is_folder = S_ISDIR(info.st_mode) && !as_folder;
  if (!S_ISREG(info.st_mode) && !opened->is_folder) {
    return nullptr;
  }
  opened->facts = {static_cast<std::uint64_t>(info.st_size), info.st_mtim.tv_sec,
                   static_cast<std::uint32_t>(info.st_mtim.tv_nsec), info.st_ino};
  return opened;
}

std::shared_ptr<const OpenFile> FileBackend::find(const std::string& request_path) {
  if (auto open = open_files_.find(request_path, root_.get())) {
    return open;
  }
  auto names = front::file_path(request_path);
  auto opened = names ? find(*names) : nullptr;
  if (opened) {
    open_files_.keep(request_path, join(*names), opened);
  }
  return opened;
}

const std::string& FileBackend::date() {
  const WallTime now = clock_.wall_now();
  if (date_.empty() || now != date_of_) {
    date_of_ = now;
    date_ = wire::http_date(now.unix_seconds);
  }
  return date_;
}

net::Task<void> FileBackend::serve(Exchange exchange) {
  const std::string& method = exchange.pass.head.method;
  if (method != "GET" && method != "HEAD") {
    co_return co_await answer_error(exchange, 405, "method_not_allowed");
  }
  const auto opened = find(exchange.pass.path);
  if (!opened) {
    co_return co_await answer_error(exchange, 404, "not_found");
  }
  if (opened->is_folder) {
    front::Answer answer;
    answer.status = 308;
    answer.fields.add("Location", exchange.pass.path + "/");
    front::Desk::dress_for(answer.fields, exchange.grant->grant);
    (void)co_await write_answer(exchange.client, std::move(answer), true);
    co_return;
  }
  co_await send(exchange, *opened);
}

net::Task<void> FileBackend::send(Exchange& exchange, const OpenFile& opened) {
  auto plan = front::plan_file(exchange.pass.head, opened.name, opened.facts);
  wire::HttpResponseHead head;
  head.status = plan.status;
  head.fields = std::move(plan.fields);
  head.fields.add("Date", date());
  front::Desk::dress_for(head.fields, exchange.grant->grant);
  const bool sends = exchange.pass.head.method != "HEAD" && plan.status != 304;
  if (sends && plan.length > 0 && plan.length <= kSmall) {
    co_return co_await send_small(exchange, opened, plan, std::move(head));
  }
  const std::optional<std::uint64_t> length =
      plan.status == 304 ? std::nullopt : std::optional<std::uint64_t>(plan.length);
  if (!co_await exchange.client.write_head(std::move(head), length)) {
    co_return;
  }
  if (!sends) {
    plan.length = 0;
  }
  auto block = net::Block<kBlock>::take();
  std::uint64_t sent = 0;
  while (sent < plan.length) {
    const std::size_t want =
        static_cast<std::size_t>(std::min<std::uint64_t>(block.size(), plan.length - sent));
    const ssize_t got =
        ::pread(opened.file.get(), block.data(), want, static_cast<off_t>(plan.offset + sent));
    if (got <= 0) {
      // The file shrank: an answer that is cut off says so, one that is padded would lie.
      exchange.client.close();
      co_return;
    }
    const ByteSpan piece = ByteSpan(block.span()).first(static_cast<std::size_t>(got));
    if (!co_await exchange.client.write_piece(piece)) {
      co_return;
    }
    sent += piece.size();
  }
  (void)co_await exchange.client.finish();
}

net::Task<void> FileBackend::send_small(Exchange& exchange, const OpenFile& opened,
                                        const front::FilePlan& plan, wire::HttpResponseHead head) {
  const auto block = net::Block<kSmall>::take();
  const auto body = block.span().first(static_cast<std::size_t>(plan.length));
  const ssize_t got =
      ::pread(opened.file.get(), body.data(), body.size(), static_cast<off_t>(plan.offset));
  if (got != static_cast<ssize_t>(body.size())) {
    exchange.client.close();
    co_return;
  }
  (void)co_await exchange.client.write_whole(std::move(head), as_text(body), true);
}

}  // namespace latchkey::device
