// SPDX-License-Identifier: Apache-2.0
//
// The six kinds of site. A trace of each kind is a number of days with pulls; the kinds differ in
// the events between the pulls.

#include "simulator/trace.h"

#include <cstdlib>
#include <functional>

#include "simulator/site.h"

namespace layby::simulator {
namespace {

struct Days {
  std::size_t days;
  std::size_t pulls;  // On each day.
};

// Images in the order of their popularity. The order doesn't depend on the images' numbers.
class Favourites {
 public:
  Favourites(Site& site, double exponent) : zipf_(site.images(), exponent) {
    for (std::size_t image = 0; image < site.images(); ++image) order_.push_back(image);
    site.random().shuffle(order_);
  }
  std::size_t draw(Random& random) const { return order_[zipf_.draw(random)]; }
  std::size_t at(std::size_t place) const { return order_[place]; }
  // Lets `count` popular images change places with random images.
  void change(Random& random, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      // Only changes of popular images matter, so the first of the two is drawn by popularity.
      std::swap(order_[zipf_.draw(random)], order_[random.between(0, order_.size() - 1)]);
    }
  }

 private:
  Zipf zipf_;
  std::vector<std::size_t> order_;
};

constexpr double kSkew = 0.9;

SiteShape shape_for(Length length) {
  SiteShape shape;
  if (length == Length::kShort) shape.repositories = 100;
  return shape;
}

Days days_for(Length length) { return length == Length::kShort ? Days{14, 100} : Days{42, 300}; }

// Machines pull by popularity.
Trace zipf(Length length, std::uint64_t seed) {
  Site site("zipf", shape_for(length), seed);
  const Favourites favourites(site, kSkew);
  const auto [days, pulls] = days_for(length);
  for (std::size_t i = 0; i < days * pulls; ++i) site.pull(favourites.draw(site.random()));
  return site.take();
}

// Each tag is built again every two to seven days, and each base every seven days.
Trace rebuilds(Length length, std::uint64_t seed) {
  Site site("rebuilds", shape_for(length), seed);
  const Favourites favourites(site, kSkew);
  std::vector<std::size_t> every(site.images());
  for (std::size_t& days : every) days = site.random().between(2, 7);
  const auto [days, pulls] = days_for(length);
  for (std::size_t day = 0; day < days; ++day) {
    for (std::size_t image = 0; image < site.images(); ++image) {
      if ((day + image) % every[image] == 0) site.rebuild(image);
    }
    for (std::size_t base = 0; base < site.bases(); ++base) {
      if ((day + base) % 7 == 0) site.rebuild_base(base);
    }
    for (std::size_t i = 0; i < pulls; ++i) site.pull(favourites.draw(site.random()));
  }
  return site.take();
}

// Many images on four bases. Build machines start empty; the other machines keep everything.
Trace shared(Length length, std::uint64_t seed) {
  SiteShape shape = shape_for(length);
  shape.bases = 4;
  shape.cleaned = 0;
  Site site("shared", shape, seed);
  const Favourites favourites(site, 0.7);
  const auto [days, pulls] = days_for(length);
  for (std::size_t i = 0; i < days * pulls; ++i) {
    const std::size_t image = favourites.draw(site.random());
    site.random().happens(0.2) ? site.pull_once(image) : site.pull(image);
  }
  return site.take();
}

// The popular images change from week to week.
Trace fashion(Length length, std::uint64_t seed) {
  Site site("fashion", shape_for(length), seed);
  Favourites favourites(site, kSkew);
  const auto [days, pulls] = days_for(length);
  for (std::size_t day = 0; day < days; ++day) {
    if (day % 7 == 0) favourites.change(site.random(), site.images() / 5);
    for (std::size_t i = 0; i < pulls; ++i) site.pull(favourites.draw(site.random()));
  }
  return site.take();
}

// On weekdays a class of 30 machines pulls the same three images within minutes.
Trace classroom(Length length, std::uint64_t seed) {
  Site site("classroom", shape_for(length), seed);
  const Favourites favourites(site, kSkew);
  const auto [days, pulls] = days_for(length);
  for (std::size_t day = 0; day < days; ++day) {
    for (std::size_t i = 0; i < pulls; ++i) {
      site.pull(favourites.draw(site.random()));
      if (i != pulls / 2 || day % 7 >= 5) continue;
      for (int image = 0; image < 3; ++image) {
        const std::size_t wanted = site.random().between(0, site.images() - 1);
        for (std::size_t machine = 0; machine < 30; ++machine) site.pull(wanted, machine);
      }
    }
  }
  return site.take();
}

// Ordinary pulls ask for the most popular third of the images. In mid-trace a crawl pulls each of
// the other images once, four images for each ordinary pull.
Trace scan(Length length, std::uint64_t seed) {
  Site site("scan", shape_for(length), seed);
  const Favourites favourites(site, kSkew);
  const Zipf hot(site.images() / 3, kSkew);
  const auto [days, pulls] = days_for(length);
  std::size_t crawled = site.images();
  for (std::size_t i = 0; i < days * pulls; ++i) {
    if (i == days * pulls / 2) crawled = site.images() / 3;
    for (int image = 0; image < 4 && crawled < site.images(); ++image) {
      site.pull_once(favourites.at(crawled++));
    }
    site.pull(favourites.at(hot.draw(site.random())));
  }
  return site.take();
}

using Maker = std::function<Trace(Length, std::uint64_t)>;

const std::vector<std::pair<std::string, Maker>>& makers() {
  static const std::vector<std::pair<std::string, Maker>> all = {
      {"zipf", zipf},       {"rebuilds", rebuilds},   {"shared", shared},
      {"fashion", fashion}, {"classroom", classroom}, {"scan", scan}};
  return all;
}

}  // namespace

std::uint64_t Trace::unique_bytes() const {
  std::vector<bool> seen(sizes_bytes.size());
  std::uint64_t sum = 0;
  for (const Request& request : requests) {
    if (request.kind != Request::Kind::kGet || seen[request.object]) continue;
    seen[request.object] = true;
    sum += sizes_bytes[request.object];
  }
  return sum;
}

std::vector<std::size_t> Trace::next_gets() const {
  std::vector<std::size_t> next(requests.size());
  std::vector<std::size_t> coming(sizes_bytes.size(), requests.size());
  for (std::size_t i = requests.size(); i-- > 0;) {
    next[i] = coming[requests[i].object];
    if (requests[i].kind == Request::Kind::kGet) coming[requests[i].object] = i;
  }
  return next;
}

std::vector<std::string> trace_names() {
  std::vector<std::string> names;
  for (const auto& [name, maker] : makers()) names.push_back(name);
  return names;
}

Trace make_trace(const std::string& name, Length length, std::uint64_t seed) {
  for (const auto& [known, maker] : makers()) {
    if (known == name) return maker(length, seed);
  }
  std::abort();
}

}  // namespace layby::simulator
