#include "metadata_keeper.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "context.h"

namespace latchkey::agentd {
namespace {

constexpr std::chrono::milliseconds kRefreshPatience = std::chrono::seconds(45);

}  // namespace

struct MetadataKeeper::Provider {
  Provider(ProviderOptions given, std::shared_ptr<const MetadataFolder> files,
           ProviderMemory remembered, MetadataFolder::Loaded loaded, agent::RefreshSchedule times)
      : options(std::move(given)),
        folder(std::move(files)),
        memory(std::move(remembered)),
        view{options.name, std::move(loaded.snapshot), std::move(loaded.urgent)},
        schedule(times) {}

  ProviderOptions options;
  std::shared_ptr<const MetadataFolder> folder;
  ProviderMemory memory;
  attest::ProviderView view;
  agent::RefreshSchedule schedule;
  std::string error;
  std::uint64_t rounds = 0;
  net::Worker worker;  // one slow provider keeps nobody else waiting
};

MetadataKeeper::MetadataKeeper(net::Executor executor, const Clock& clock, Random& random,
                               Settings& settings, MetadataOptions options,
                               const std::filesystem::path& folder)
    : executor_(executor),
      clock_(clock),
      random_(random),
      settings_(settings),
      options_(std::move(options)),
      tick_(executor),
      answered_(executor),
      cancel_(std::make_shared<std::atomic<bool>>(false)),
      tasks_(executor) {
  for (const ProviderOptions& one : options_.providers) {
    auto files = std::make_shared<const MetadataFolder>(folder / provider_id(one.url), one,
                                                        options_.ca_file);
    const ProviderMemory memory =
        memory_from(settings_.get(memory_name(one.url)).value_or(std::string()));
    auto loaded = files->load(memory, clock_.wall_now());
    if (loaded.snapshot == nullptr && memory.held > 0) {
      spdlog::warn("provider {}: its files are damaged or old; they will be fetched again",
                   one.name);
    }
    providers_.push_back(std::make_unique<Provider>(
        one, std::move(files), memory, std::move(loaded),
        agent::RefreshSchedule(options_.interval, clock_.mono_now(), random_)));
  }
  rebuild();
}

MetadataKeeper::~MetadataKeeper() {
  stop();
}

void MetadataKeeper::stop() {
  *cancel_ = true;
  tick_.cancel();
  answered_.cancel();
  tasks_.cancel();
}

bool MetadataKeeper::is_busy() const {
  return std::any_of(providers_.begin(), providers_.end(),
                     [](const auto& provider) { return provider->worker.is_busy(); });
}

void MetadataKeeper::rebuild() {
  std::vector<attest::ProviderView> views;
  views.reserve(providers_.size());
  for (const auto& provider : providers_) {
    views.push_back(provider->view);
  }
  trust_ = std::make_unique<attest::Trust>(std::move(views), options_.policy);
  if (changed_) {
    changed_();
  }
}

std::vector<agent::ProviderStatus> MetadataKeeper::status() const {
  std::vector<agent::ProviderStatus> out;
  for (const auto& provider : providers_) {
    agent::ProviderStatus one{.name = provider->options.name,
                              .url = provider->options.url,
                              .no = {},
                              .published = {},
                              .next_update = {},
                              .checked = {},
                              .state = trust_->freshness(provider->view, clock_.wall_now()),
                              .error = provider->error};
    if (const auto& snapshot = provider->view.snapshot) {
      one.name = snapshot->metadata().name;
      one.no = snapshot->metadata().no;
      one.published = snapshot->metadata().published;
      one.next_update = snapshot->metadata().next_update;
    }
    if (provider->memory.checked != WallTime{}) {
      one.checked = provider->memory.checked;
    }
    out.push_back(std::move(one));
  }
  return out;
}

net::Task<void> MetadataKeeper::run() {
  while (!providers_.empty() && !*cancel_) {
    const MonoTime now = clock_.mono_now();
    MonoTime next = now + std::chrono::hours(1);
    for (const auto& provider : providers_) {
      if (provider->schedule.is_due(now)) {
        provider->schedule.begin();
        tasks_.spawn(ask(provider.get()));
      }
      if (!provider->schedule.is_busy()) {
        next = std::min(next, provider->schedule.next());
      }
    }
    tick_.expires_after(next - now + std::chrono::milliseconds(1));
    (void)co_await tick_.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
  }
}

net::Task<void> MetadataKeeper::ask(Provider* provider) {
  std::string error = co_await update(provider);
  if (!error.empty()) {
    spdlog::warn("provider {}: {}", provider->options.name, error);
  }
  provider->error = std::move(error);
  provider->schedule.end(provider->error.empty(), clock_.mono_now());
  ++provider->rounds;
  tick_.cancel();
  answered_.cancel();
}

bool MetadataKeeper::remember(Provider& provider, const ProviderMemory& memory) {
  if (!settings_.set(memory_name(provider.options.url), memory_text(memory))) {
    return false;
  }
  provider.memory = memory;
  return true;
}

net::Task<std::string> MetadataKeeper::update(Provider* provider) {
  // The jobs own what they use: this coroutine may be gone before they are done.
  auto get_page = [folder = provider->folder, memory = provider->memory,
                   held = provider->view.snapshot, now = clock_.wall_now(), cancel = cancel_] {
    auto page = folder->fetch_page(memory, held.get(), now, cancel.get());
    if (page && *page) {
      if (const auto kept = folder->keep_page(**page); !kept) {
        page = fail(kept.error());
      }
    }
    return page;
  };
  auto page = co_await provider->worker.run(executor_, net::kNoDeadline, std::move(get_page));
  if (!page) {
    co_return "stopped";
  }
  if (!*page) {
    co_return page->error();
  }
  ProviderMemory memory = provider->memory;
  memory.checked = clock_.wall_now();
  if (!**page) {
    co_return remember(*provider, memory) ? "" : "it could not be stored";
  }
  const MetadataFolder::Page& newest = ***page;
  memory.floor = newest.floor;
  if (!remember(*provider, memory)) {
    co_return "it could not be stored";
  }
  // A revocation does not wait for the tables.
  provider->view.urgent = newest.metadata.entries;
  rebuild();
  auto get_tables = [folder = provider->folder, newest, held = provider->view.snapshot,
                     cancel = cancel_] {
    return folder->fetch_tables(newest, held.get(), cancel.get());
  };
  auto whole = co_await provider->worker.run(executor_, net::kNoDeadline, std::move(get_tables));
  if (!whole) {
    co_return "stopped";
  }
  if (!*whole) {
    co_return whole->error();
  }
  memory.held = newest.metadata.no;
  memory.etag = newest.etag;
  if (!remember(*provider, memory)) {
    co_return "it could not be stored";
  }
  provider->view.snapshot = **whole;
  provider->view.urgent.clear();
  rebuild();
  provider->folder->tidy(*provider->view.snapshot);
  spdlog::info("provider {}: version {}", provider->options.name, memory.held);
  co_return std::string();
}

void MetadataKeeper::wake() {
  for (const auto& provider : providers_) {
    provider->schedule.wake(clock_.mono_now());
  }
  tick_.cancel();
}

net::Task<void> MetadataKeeper::refresh() {
  std::vector<std::uint64_t> before;
  for (const auto& provider : providers_) {
    before.push_back(provider->rounds);
  }
  wake();
  const net::Deadline until = net::after(kRefreshPatience);
  const auto waiting = [&] {
    for (std::size_t i = 0; i < before.size(); ++i) {
      if (providers_[i]->rounds == before[i]) {
        return true;
      }
    }
    return false;
  };
  while (waiting() && !*cancel_ && std::chrono::steady_clock::now() < until) {
    answered_.expires_at(until);
    (void)co_await answered_.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
  }
}

}  // namespace latchkey::agentd
