// Devices that a person opens themselves: device, agent and command line as they are, over
// loopback.
#include <gtest/gtest.h>

#include <fstream>
#include <map>

#include "programs.h"

namespace latchkey::programs {
namespace {

using nlohmann::json;

const std::string kProfile = "00112233445566778899aabbccddeeff";
const std::string kOther = "ffeeddccbbaa99887766554433221100";

class DirectTest : public ::testing::Test {
 protected:
  DirectTest() {
    std::filesystem::create_directory(home_.path() / "www");
    std::ofstream(home_.path() / "www/index.html") << "hello";
  }

  struct Device {
    std::string name;
    std::string state;
    std::string port;
    std::optional<Background> process;
  };

  Device& start_device(const std::string& key, const std::string& name) {
    Device& device = devices_[key];
    device.name = name;
    device.state = (home_.path() / key).string();
    device.process.emplace(
        Arguments{program("latchkey-device"), "run", "--state", device.state, "--name", name,
                  "--type", "media-cache", "--listen", "127.0.0.1", "--port", "0", "--serve",
                  (home_.path() / "www").string(), "--mdns", "off"},
        home_.environment(), "listening on ");
    const std::string& line = device.process->line();
    device.port = line.substr(line.rfind(':') + 1);
    return device;
  }
  // Which devices are seen, in the order of their keys.
  void start_agent(const std::vector<std::string>& seen) {
    agent_.reset();
    Arguments arguments{program("latchkey-agent"), "run", "--mdns", "off", "--allow-loopback"};
    for (const std::string& key : seen) {
      arguments.insert(arguments.end(),
                       {"--static-device",
                        "media-cache," + devices_[key].name + ",127.0.0.1," + devices_[key].port});
    }
    agent_.emplace(arguments, home_.environment(), "listening on ");
  }
  Output latchkey(Arguments arguments, const std::string& input = {}) {
    arguments.insert(arguments.begin(), program("latchkey"));
    return run(arguments, home_.environment(), input);
  }
  std::string open_window(const std::string& key, Arguments more = {}) {
    Arguments arguments{program("latchkey-device"), "open-window", "--state", devices_[key].state,
                        "--json"};
    const bool long_one = !more.empty();
    arguments.insert(arguments.end(), more.begin(), more.end());
    const auto opened = run(arguments, home_.environment()).json();
    return opened.value(long_one ? "qr" : "code", "");
  }
  json added(Arguments more) {
    more.insert(more.begin(), "add");
    more.emplace_back("--json");
    const auto output = latchkey(more);
    EXPECT_EQ(output.exit, 0) << output.out << output.err;
    said_ = output.err;
    return output.json().is_object() ? output.json().value("grant", json()) : json();
  }
  Output fetch(const json& grant, const std::string& key) {
    return latchkey({"fetch", grant.value("url", "") + "/index.html", "--resolve",
                     "127.0.0.1:" + devices_[key].port});
  }
  // A pairing at the socket, begun up to its first answer.
  static json begin(Conversation& client, json more) {
    client.ask("discover.start", json::object());
    const auto found = client.event("discover.found");
    more.update({{"origin", nullptr},
                 {"type", "media-cache"},
                 {"key", found ? (*found)["device"]["key"] : json()}});
    return client.ask("pair.begin", more);
  }

  Home home_;
  std::map<std::string, Device> devices_;
  std::optional<Background> agent_;
  std::string said_;
};

TEST_F(DirectTest, FromCodeToAnAddressAndBack) {
  start_device("one", "Living room cache");
  start_agent({"one"});
  const auto grant = added({"Living room cache", "--code", open_window("one")});
  EXPECT_EQ(grant["host"], "living-room-cache.local");
  EXPECT_TRUE(grant["origin"].is_null());
  EXPECT_EQ(fetch(grant, "one").out, "hello");
  // Once more is no second one.
  EXPECT_EQ(added({"Living room cache", "--name", "attic"})["id"], grant["id"]);
  EXPECT_NE(said_.find("was added before"), std::string::npos) << said_;
  EXPECT_EQ(latchkey({"grants", "--json"}).json()["grants"].size(), 1U);

  const auto opened = latchkey({"open", "living-room-cache", "--json"});
  ASSERT_EQ(opened.exit, 0) << opened.err;
  const std::string url = opened.json()["url"];
  const std::string place = grant.value("url", "") + "/.well-known/latchkey/open#";
  EXPECT_TRUE(url.starts_with(place)) << url;
  EXPECT_GT(url.size(), place.size() + 100);
  EXPECT_EQ(latchkey({"open", "Living room cache"}).exit, 0);
  EXPECT_EQ(latchkey({"open", "attic"}).exit, 1);

  EXPECT_EQ(
      latchkey({"revoke", "living-room-cache.local", "--json"}).json()["revoked"][0]["delivered"],
      true);
  EXPECT_EQ(fetch(grant, "one").exit, 1);
  EXPECT_EQ(latchkey({"open", "living-room-cache"}).exit, 1);
  // And again, at the same address: it is this device's own.
  EXPECT_EQ(added({"Living room cache"})["host"], "living-room-cache.local");
}

// threats.md rows 3 and 50.
TEST_F(DirectTest, ASecondDeviceOfTheSameNameGetsAnotherAddress) {
  start_device("one", "Hall");
  start_agent({"one"});
  const auto first = added({"Hall", "--code", open_window("one")});
  EXPECT_EQ(first["host"], "hall.local");
  start_device("twin", "Hall");
  start_agent({"twin"});
  const auto second = added({"Hall", "--code", open_window("twin")});
  EXPECT_TRUE(second["host"].get<std::string>().starts_with("hall-")) << second.dump();
  EXPECT_EQ(second["host"].get<std::string>().size(), std::string("hall-abcdef.local").size());
  EXPECT_NE(said_.find("has a name like a device of yours"), std::string::npos) << said_;
  EXPECT_NE(said_.find("Another device of yours has that address"), std::string::npos) << said_;
  // Each address leads to its own device, and the other one cannot answer there.
  EXPECT_EQ(fetch(first, "one").out, "hello");
  EXPECT_EQ(fetch(second, "twin").out, "hello");
  EXPECT_NE(fetch(first, "twin").exit, 0);
  EXPECT_NE(fetch(second, "one").exit, 0);
  // Nor by asking for it by name, even after the first one is gone.
  devices_["one"].process.reset();
  EXPECT_EQ(latchkey({"revoke", second["host"], "--json"}).exit, 0);
  const auto demanded = latchkey({"add", "Hall", "--name", "hall", "--json"});
  EXPECT_EQ(demanded.exit, 1);
  EXPECT_EQ(demanded.json()["error"]["code"], "name_conflict") << demanded.out;
}

TEST_F(DirectTest, ANameIsAgreedOnBeforeAnythingIsMade) {
  start_device("one", "Attic");
  start_agent({"one"});
  const std::string code = open_window("one");
  Conversation client(home_.socket());
  client.hello();
  const auto proposed = begin(client, json::object())["result"];
  EXPECT_EQ(proposed["state"], "name");
  EXPECT_EQ(proposed["host"], "attic.local");
  EXPECT_EQ(proposed["trouble"], "shape") << "small letters";
  EXPECT_GT(proposed["port"].get<int>(), 0) << "what is typed may need it";
  const json session{{"session", proposed["session"]}};
  const auto name = [&](const std::string& text) {
    json params = session;
    params["name"] = text;
    return client.ask("pair.name", params);
  };
  const auto other = name("Under the Roof")["result"];
  EXPECT_EQ(other["state"], "name");
  EXPECT_EQ(other["host"], "under-the-roof.local");
  EXPECT_EQ(other["trouble"], "shape");
  EXPECT_EQ(name("media-cache-k3f7x2m7q4ab")["result"]["name"], "media-cachek3f7x2m7q4ab");
  EXPECT_EQ(name("localhost")["result"]["name"], "media-cache");
  EXPECT_EQ(name(std::string(201, 'x'))["error"]["code"], "malformed");
  EXPECT_TRUE(client.ask("grants.list", {{"all", true}})["result"]["grants"].empty());
  // Written as it can stand, and free: there is nothing more to agree on.
  const auto agreed = name("roof")["result"];
  EXPECT_EQ(agreed["state"], "code") << agreed.dump();
  EXPECT_EQ(agreed["host"], "roof.local");
  EXPECT_EQ(agreed["code"]["left"], 5);
  EXPECT_EQ(name("roof")["error"]["code"], "cancelled") << "it is agreed";
  json typed = session;
  typed["code"] = code;
  client.ask("pair.code", typed);
  const auto done = client.event("pair.done");
  ASSERT_TRUE(done);
  EXPECT_EQ((*done)["grant"]["host"], "roof.local");
}

TEST_F(DirectTest, ACancelledNamingLeavesNothing) {
  start_device("one", "Attic");
  start_agent({"one"});
  open_window("one");
  Conversation client(home_.socket());
  client.hello();
  const auto proposed = begin(client, json::object())["result"];
  client.ask("pair.cancel", {{"session", proposed["session"]}});
  EXPECT_EQ(client.ask("pair.name",
                       {{"session", proposed["session"]}, {"name", "attic"}})["error"]["code"],
            "cancelled");
  EXPECT_TRUE(client.ask("grants.list", {{"all", true}})["result"]["grants"].empty());
  // Only what a person opens has a name to choose.
  client.ask("discover.start", json::object());
  const auto found = client.event("discover.found");
  EXPECT_EQ(client.ask("pair.begin", {{"origin", "https://video.example"},
                                      {"type", "media-cache"},
                                      {"key", (*found)["device"]["key"]},
                                      {"name", "attic"}})["error"]["code"],
            "malformed");
}

// What was added on the command line is the user's; a browser profile's own is its own (row 16).
TEST_F(DirectTest, WhoSeesWhat) {
  start_device("one", "Attic");
  start_agent({"one"});
  const auto users = added({"Attic", "--code", open_window("one"), "--name", "attic"});
  const auto first = added({"Attic", "--profile", kProfile, "--name", "mine"});
  // The user's own is there already: a profile is given that one.
  EXPECT_EQ(first["id"], users["id"]);
  EXPECT_EQ(latchkey({"revoke", "--all", "--json"}).exit, 0);
  const auto mine = added({"Attic", "--profile", kProfile, "--name", "mine"});
  EXPECT_EQ(mine["host"], "mine.local");
  Conversation other(home_.socket());
  other.hello(kOther);
  EXPECT_TRUE(other.ask("grants.list", json::object())["result"]["grants"].empty());
  const json theirs{{"id", mine["id"]}, {"origin", nullptr}};
  const json nobodys{{"id", std::string(32, '0')}, {"origin", nullptr}};
  EXPECT_EQ(other.ask("ticket.mint", theirs)["error"], other.ask("ticket.mint", nobodys)["error"]);
  const auto again = added({"Attic"});
  EXPECT_NE(again["id"], mine["id"]);
  EXPECT_EQ(again["host"].get<std::string>().substr(0, 5), "attic");
  EXPECT_EQ(other.ask("grants.list", json::object())["result"]["grants"].size(), 1U);
  EXPECT_TRUE(
      other.ask("ticket.mint", {{"id", again["id"]}, {"origin", nullptr}})["result"].contains(
          "ticket"));
}

// threats.md row 41.
TEST_F(DirectTest, ALinkLeadsToOneHostUnderLocalOrNowhere) {
  start_device("one", "Attic");
  start_device("other", "Cellar");
  start_agent({"one", "other"});
  const std::string link = open_window("one", {"--key128"});
  ASSERT_TRUE(link.starts_with("latchkey:?")) << link;
  // The link of another device, put under this one's name: refused, and no attempt is spent.
  std::string swapped = link;
  swapped.replace(swapped.find("&n=") + 3, 5, "Cellar");
  open_window("other", {"--key128"});
  EXPECT_EQ(latchkey({"add", swapped, "--json"}).json()["error"]["code"], "wrong_code");
  // Wherever it points: nothing but names under .local, and nothing that is not a whole link.
  for (const std::string& bad :
       {std::string("latchkey:?k=1&n=x"), link + "&u=https://evil.example", link + "&n=Other",
        "latchkey://evil.example/" + link.substr(9), link + std::string(600, 'x')}) {
    const auto refused = latchkey({"add", bad, "--json"});
    EXPECT_EQ(refused.exit, 2) << bad << refused.out;
  }
  EXPECT_TRUE(latchkey({"grants", "--all", "--json"}).json()["grants"].empty());
  const auto grant = added({link});
  EXPECT_EQ(grant["host"], "attic.local");
  EXPECT_NE(said_.find("only make one address work"), std::string::npos) << said_;
  EXPECT_EQ(latchkey({"grants", "--all", "--json"}).json()["grants"].size(), 1U);
}

}  // namespace
}  // namespace latchkey::programs
