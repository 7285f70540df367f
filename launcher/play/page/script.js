"use strict";

// The page asks its server, which asks the model:
//
// 1. What the person does changes `state`.
// 2. `refresh` asks for what depends on that state: the prediction, the recommendations,
//    and which movies somebody new should rate next.
// 3. The `show...` functions put the answers on the page.
//
// An answer that comes after a later question is dropped.

const state = {
  who: "new",
  userId: null,
  rated: new Map(), // movie id -> {title, stars}
  unseen: new Set(), // ids of movies that the person can't rate
  movie: null, // {movie_id, title}
  places: new Map(), // movie id -> place among the latest recommendations
};
const COUNT = 12;
const TO_RATE = 6;
const MOST_TO_RATE = 100; // the server tells no more
const STARS = [0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5];
const SEARCH_PAUSE_MS = 60;

const byId = (id) => document.getElementById(id);

// Asking

async function ask(path, question) {
  const began = performance.now();
  const options = question && {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(question),
  };
  let answer;
  try {
    const response = await fetch(path, options || {});
    answer = await response.json();
    if (!response.ok) throw new Error(answer.error);
  } catch (error) {
    showFault(error.message);
    throw error;
  }
  showFault("");
  const took = Math.round(performance.now() - began);
  byId("speed").textContent = `The latest answer took ${took} ms.`;
  return answer;
}

// Gives a function whose answers count only if it hasn't been called again since.
function latest(asking, showing) {
  let number = 0;
  return async (...given) => {
    const mine = ++number;
    try {
      const answer = await asking(...given);
      if (mine === number) showing(answer);
    } catch {
      // The fault is on the page already.
    }
  };
}

function who() {
  if (state.who === "user") return { user_id: state.userId };
  const rated = [...state.rated].map(([movieId, { stars }]) => [movieId, stars]);
  return { rated };
}

function isSomebody() {
  return state.who === "new" || state.userId !== null;
}

function filters() {
  const chosen = document.querySelectorAll("#genre-choice input:checked");
  return {
    genres: [...chosen].map((box) => box.value),
    year_from: wholeNumber("year-from"),
    year_to: wholeNumber("year-to"),
    min_ratings: Number(byId("min-ratings").value),
  };
}

function wholeNumber(id) {
  const value = byId(id).valueAsNumber;
  return Number.isInteger(value) && value > 0 ? value : null;
}

const predict = latest(
  () => ask("/api/predict", { ...who(), movie_id: state.movie.movie_id }),
  showPrediction,
);
const recommend = latest(
  () => ask("/api/recommend", { ...who(), count: COUNT, ...filters() }),
  showRecommendations,
);
const askWhatToRate = latest(
  () => {
    const count = Math.min(TO_RATE + state.unseen.size, MOST_TO_RATE);
    return ask("/api/onboarding", { ...who(), count });
  },
  showToRate,
);
const lookUpUser = latest((id) => ask(`/api/user?id=${id}`), showUser);

function refresh() {
  if (!isSomebody()) return;
  if (state.movie) predict();
  recommend();
  if (state.who === "new") askWhatToRate();
}

// Only ratings move movies up and down; other filters make another list.
function filter() {
  state.places.clear();
  recommend();
}

// Making elements

function make(name, className, ...children) {
  const element = document.createElement(name);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

function movieButton(movie) {
  const button = make("button", "link", movie.title || `movie ${movie.movie_id}`);
  button.type = "button";
  button.addEventListener("click", () => choose(movie));
  return button;
}

function rateSelect(movie) {
  const select = make("select", "rate");
  select.setAttribute("aria-label", `Rate ${movie.title}`);
  select.append(new Option("rate", ""));
  for (const stars of [...STARS].reverse()) select.append(new Option(`${stars} ★`, stars));
  const rated = state.rated.get(movie.movie_id);
  if (rated) select.value = rated.stars;
  select.addEventListener("change", () => rate(movie, select.value && Number(select.value)));
  return select;
}

function inStars(value) {
  return `${value.toFixed(2)} ★`;
}

// What the person does

function choose(movie) {
  state.movie = movie;
  predict();
  if (matchMedia("(max-width: 44rem)").matches) byId("movie-title").scrollIntoView();
}

function rate(movie, stars) {
  if (stars) state.rated.set(movie.movie_id, { title: movie.title, stars });
  else state.rated.delete(movie.movie_id);
  showRated();
  showStars();
  refresh();
}

function setWho(value) {
  state.who = value;
  state.places.clear();
  byId("new-panel").hidden = value !== "new";
  byId("user-panel").hidden = value !== "user";
  if (value === "user" && state.userId === null) setUser(Number(byId("user-id").min));
  else refresh();
  showStars();
}

function setUser(id) {
  state.userId = id;
  state.places.clear();
  byId("user-id").value = id;
  lookUpUser(id);
  refresh();
}

// Showing

function showFault(message) {
  byId("fault").hidden = !message;
  byId("fault").textContent = message;
}

function showRated() {
  const items = [...state.rated].map(([movieId, { title, stars }]) => {
    const movie = { movie_id: movieId, title };
    const remove = make("button", "remove", "×");
    remove.type = "button";
    remove.setAttribute("aria-label", `Remove ${title}`);
    remove.addEventListener("click", () => {
      rate(movie, 0);
      byId("search").focus();
    });
    const name = make("span", "name", movieButton(movie));
    return make("li", "", name, `${stars} ★`, remove);
  });
  byId("rated").replaceChildren(...items);
  byId("rated").hidden = !items.length;
  byId("clear").hidden = !items.length;
  byId("rated-hint").hidden = items.length > 0;
}

function showToRate(answer) {
  const known = answer.movies.filter((movie) => !state.unseen.has(movie.movie_id));
  const items = known.slice(0, TO_RATE).map((movie) => {
    const skip = make("button", "skip", "not seen");
    skip.type = "button";
    skip.setAttribute("aria-label", `Not seen: ${movie.title}`);
    skip.addEventListener("click", () => {
      state.unseen.add(movie.movie_id);
      askWhatToRate();
    });
    const name = make("span", "name", movieButton(movie));
    return make("li", "", name, rateSelect(movie), skip);
  });
  keepFocus(byId("to-rate"), items);
  byId("to-rate-panel").hidden = !items.length;
}

function showUser(user) {
  const mean = user.mean === null ? "" : `, ${inStars(user.mean)} on average`;
  byId("user-about").textContent = user.n_ratings
    ? `${user.n_ratings.toLocaleString("en")} ratings in the data${mean}. Best rated:`
    : "The data has no ratings of this user: an unknown one.";
  const items = user.favourites.map((movie) =>
    make("li", "", make("span", "name", movieButton(movie)), `${movie.stars} ★`),
  );
  byId("favourites").replaceChildren(...items);
}

function showStars() {
  const box = byId("stars");
  box.hidden = state.who !== "new" || !state.movie;
  if (box.hidden) return;
  const rated = state.rated.get(state.movie.movie_id);
  for (const input of box.querySelectorAll("input")) {
    input.checked = Boolean(rated) && rated.stars === Number(input.value);
  }
}

function showPrediction(answer) {
  byId("prediction").hidden = false;
  byId("title").textContent = answer.title || `Movie ${answer.movie_id}, unknown to the model`;
  byId("genres").textContent = answer.genres.join(", ");
  byId("expected").textContent = inStars(answer.expected);
  byId("likely").textContent = `expected; the predicted class is ${answer.rating} ★`;
  const isRated = answer.actual !== null;
  byId("actual").textContent = isRated ? `In the data this user gave ${answer.actual} ★.` : "";
  showStars();
  showBars(answer);
  showReasons(answer);
}

function showBars(answer) {
  const top = Math.max(...answer.probabilities.map(([, share]) => share));
  const items = [...answer.probabilities].reverse().map(([stars, share]) => {
    const fill = make("span", "fill");
    fill.style.width = `${(100 * share) / top}%`;
    const track = make("span", "track", fill);
    track.setAttribute("aria-hidden", "true");
    const percent = make("span", "share", `${(100 * share).toFixed(1)}%`);
    const item = make("li", "", make("span", "label", `${stars} ★`), track, percent);
    if (share === top) item.classList.add("top");
    return item;
  });
  byId("bars").replaceChildren(...items);
}

function showReasons(answer) {
  byId("base").textContent = `It starts from ${inStars(answer.base)}, as all such requests do.`;
  const reasons = [...answer.reasons, { words: "all else", detail: "", stars: answer.rest }];
  const most = Math.max(...reasons.map((reason) => Math.abs(reason.stars)), 0.01);
  const items = reasons.map((reason) => {
    const isDown = reason.stars < 0;
    const size = Math.abs(reason.stars).toFixed(2);
    const sign = size === "0.00" ? "" : isDown ? "−" : "+";
    const amount = `${sign}${size} ★`;
    const push = make("span", isDown ? "push down" : "push");
    push.style.width = `${(100 * Math.abs(reason.stars)) / most}%`;
    push.setAttribute("aria-hidden", "true");
    const detail = reason.detail ? make("span", "quiet", ` (${reason.detail})`) : "";
    const words = make("span", "", reason.words, detail, push);
    return make("li", "", make("span", "amount", amount), words);
  });
  byId("why").replaceChildren(...items);
}

function showRecommendations(answer) {
  const before = state.places;
  state.places = new Map(answer.movies.map((movie, index) => [movie.movie_id, index]));
  const items = answer.movies.map((movie, index) => {
    const side = make("span", "side", moved(movie, index, before), inStars(movie.expected));
    if (state.who === "new") side.append(rateSelect(movie));
    return make(
      "li",
      "",
      make("span", "place", `${index + 1}.`),
      make("span", "name", movieButton(movie)),
      side,
      make("span", "kinds", movie.genres.join(", ")),
    );
  });
  keepFocus(byId("best"), items);
  byId("best-note").textContent = note(answer);
  const first = answer.movies.length ? `First: ${answer.movies[0].title}.` : "";
  byId("news").textContent = `${answer.movies.length} recommendations. ${first}`;
}

function note(answer) {
  if (!answer.movies.length) return "No movie is left: change the filters.";
  if (answer.known_user) return "";
  return state.who === "new"
    ? "Nothing is rated yet: these are movies that most people like."
    : "The model doesn't know this user: these are movies that most people like.";
}

// How far a movie has gone up or down since the recommendations before.
function moved(movie, index, before) {
  if (!before.size) return "";
  const place = before.get(movie.movie_id);
  if (place === undefined) return make("span", "moved new", "new");
  if (place === index) return "";
  const isUp = place > index;
  const sign = isUp ? "▲" : "▼";
  const steps = Math.abs(place - index);
  const badge = make("span", `moved ${isUp ? "up" : "down"}`, `${sign}${steps}`);
  badge.setAttribute("role", "img");
  badge.setAttribute("aria-label", `${isUp ? "up" : "down"} ${steps}`);
  return badge;
}

// Puts new items into a list; the place in it that has the keyboard's focus keeps it.
function keepFocus(list, items) {
  const focused = list.contains(document.activeElement) ? document.activeElement : null;
  const index = focused && [...list.children].findIndex((item) => item.contains(focused));
  const kind = focused && `.${focused.className}`;
  list.replaceChildren(...items);
  const item = focused && list.children[Math.min(index, list.children.length - 1)];
  if (item) item.querySelector(kind)?.focus();
}

// The search: a combobox with a list, as the ARIA Authoring Practices describe it.

const search = byId("search");
const found = byId("found");
let movies = [];
let active = -1;
let pause = 0;
let isAwaited = false; // whether the answer to come may open the list

const find = latest(
  (text) => ask(`/api/movies?text=${encodeURIComponent(text)}`),
  (answer) => {
    if (!isAwaited) return;
    const chosen = movies[active]?.movie_id;
    movies = answer;
    showFound();
    // If an arrow key came before the answer, its choice stays.
    activate(movies.findIndex((movie) => movie.movie_id === chosen));
  },
);

function showFound() {
  const items = movies.map((movie, index) => {
    const item = make("li", "", movie.title);
    item.id = `found-${index}`;
    item.setAttribute("role", "option");
    // Before the input loses the focus.
    item.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      take(index);
    });
    return item;
  });
  if (!items.length) {
    const item = make("li", "nothing", "no such title");
    item.setAttribute("role", "option");
    item.setAttribute("aria-disabled", "true");
    items.push(item);
  }
  found.replaceChildren(...items);
  open(true);
}

function open(isOpen) {
  found.hidden = !isOpen;
  search.setAttribute("aria-expanded", String(isOpen));
  if (isOpen) return;
  isAwaited = false;
  clearTimeout(pause);
  activate(-1);
}

function activate(index) {
  active = index;
  [...found.children].forEach((item, place) => {
    if (!item.classList.contains("nothing")) {
      item.setAttribute("aria-selected", String(place === index));
    }
  });
  if (index < 0) return search.removeAttribute("aria-activedescendant");
  search.setAttribute("aria-activedescendant", `found-${index}`);
  found.children[index].scrollIntoView({ block: "nearest" });
}

function take(index) {
  const movie = movies[index];
  search.value = movie.title;
  open(false);
  choose(movie);
}

search.addEventListener("input", () => {
  clearTimeout(pause);
  const text = search.value.trim();
  if (!text) return open(false);
  isAwaited = true;
  pause = setTimeout(() => find(text), SEARCH_PAUSE_MS);
});
search.addEventListener("blur", () => open(false));
search.addEventListener("keydown", (event) => {
  const isOpen = !found.hidden && movies.length > 0;
  const steps = { ArrowDown: 1, ArrowUp: -1 };
  if (event.key in steps && isOpen) {
    const next = active < 0 && steps[event.key] < 0 ? movies.length - 1 : active + steps[event.key];
    activate((next + movies.length) % movies.length);
  } else if (event.key === "Enter" && isOpen) {
    take(Math.max(active, 0));
  } else if (event.key === "Escape") {
    open(false);
  } else {
    return;
  }
  event.preventDefault();
});

// The other controls

for (const input of document.querySelectorAll("input[name=who]")) {
  input.addEventListener("change", () => setWho(input.value));
}
byId("user-id").addEventListener("change", () => {
  const id = byId("user-id").valueAsNumber;
  if (Number.isInteger(id) && id >= 0) setUser(id);
});
byId("clear").addEventListener("click", () => {
  state.rated.clear();
  state.unseen.clear();
  showRated();
  showStars();
  refresh();
  search.focus();
});
for (const id of ["year-from", "year-to", "min-ratings"]) {
  byId(id).addEventListener("input", filter);
}

function makeStars() {
  for (const stars of STARS) {
    const input = make("input");
    Object.assign(input, { type: "radio", name: "stars", value: stars });
    input.addEventListener("change", () => rate(state.movie, stars));
    byId("stars").append(make("label", "", input, make("span", "", String(stars))));
  }
}

function makeGenres(genres) {
  for (const genre of genres) {
    const input = make("input");
    Object.assign(input, { type: "checkbox", value: genre });
    input.addEventListener("change", () => {
      const chosen = filters().genres;
      byId("genres-summary").textContent = `Genres: ${chosen.join(", ") || "any"}`;
      filter();
    });
    byId("genre-choice").append(make("label", "", input, make("span", "", genre)));
  }
}

async function begin() {
  makeStars();
  const start = await ask("/api/start");
  byId("source").textContent = `${start.source}; ${start.n_movies.toLocaleString("en")} movies`;
  makeGenres(start.genres);
  showRated();

  const [first, last] = start.users;
  Object.assign(byId("user-id"), { min: first ?? 0, max: last ?? "" });
  byId("any-user").addEventListener("click", () => {
    setUser(first + Math.floor(Math.random() * (last - first + 1)));
  });
  const [oldest, newest] = start.years;
  Object.assign(byId("year-from"), { placeholder: oldest ?? "", min: 1 });
  Object.assign(byId("year-to"), { placeholder: newest ?? "", min: 1 });
  state.movie = start.movie;
  refresh();
}

begin();
