// What the lobby says, in English, Ukrainian and Russian. Texts of the programme come from the engine in the same languages.

export const LANGUAGES = ["en", "uk", "ru"];

const TEXTS = {
  skip: ["Skip to the game", "Перейти до гри", "Перейти к игре"],
  lobby: ["Lobby", "Лобі", "Лобби"],
  language: ["Language", "Мова", "Язык"],
  simulated: ["Simulated player", "Симульований гравець", "Симулированный игрок"],
  ask_title: ["Who is playing?", "Хто грає?", "Кто играет?"],
  ask_text: [
    "This page needs a player's token in its address. The demo prints such an address; a real site is given the token by its own back end. A token lasts a day at most and stays in this tab.",
    "Сторінці потрібен токен гравця в адресі. Демо друкує таку адресу; справжній сайт отримує токен від свого сервера. Токен діє щонайбільше добу і лишається в цій вкладці.",
    "Странице нужен токен игрока в адресе. Демо печатает такой адрес; настоящий сайт получает токен от своего сервера. Токен действует не дольше суток и остаётся в этой вкладке.",
  ],
  token_ended: [
    "The token has ended or is not valid. Open the address that the demo prints once more.",
    "Токен закінчився або недійсний. Відкрийте ще раз адресу, яку друкує демо.",
    "Токен истёк или недействителен. Откройте ещё раз адрес, который печатает демо.",
  ],
  connecting: ["Connecting", "З'єднання", "Соединение"],
  live: ["Live", "Наживо", "В эфире"],
  lost: ["Connection lost; again in {n} s", "Зв'язок втрачено; знову за {n} с", "Связь потеряна; снова через {n} с"],
  refused: ["The engine refuses: {what}", "Відмова: {what}", "Отказ: {what}"],
  unknown_player: [
    "This player has not played yet. The page fills with the first event.",
    "Цей гравець ще не грав. Сторінка заповниться з першою подією.",
    "Этот игрок ещё не играл. Страница заполнится с первым событием.",
  ],
  unread: ["This part cannot be read: {what}", "Не вдалося прочитати: {what}", "Не удалось прочитать: {what}"],
  no_answer: ["The engine does not answer", "Рушій не відповідає", "Движок не отвечает"],

  level: ["Level", "Рівень", "Уровень"],
  none_yet: ["none yet", "ще немає", "ещё нет"],
  next_at: ["{name} at {n}", "{name} від {n}", "{name} от {n}"],
  judged_on: ["judged on {date}", "перегляд {date}", "пересмотр {date}"],
  progress_to: ["Progress to {name}", "Поступ до: {name}", "Прогресс до: {name}"],
  pending: ["{n} pending", "{n} очікує", "{n} ожидает"],
  badges: ["Badges", "Відзнаки", "Знаки"],
  no_badges: ["No badge yet.", "Відзнак ще немає.", "Знаков ещё нет."],
  expires: ["{n} expire on {date}", "{n} згорить {date}", "{n} сгорит {date}"],

  streaks: ["Streaks", "Серії", "Серии"],
  no_streaks: ["The programme has no streaks.", "У програмі немає серій.", "В программе нет серий."],
  days: ["in a row", "поспіль", "подряд"],
  best: ["best {n}", "найкраще {n}", "лучшее {n}"],
  freezes: ["{n} of {max} freezes", "заморозок: {n} з {max}", "заморозок: {n} из {max}"],
  today_done: ["counted", "зараховано", "засчитано"],
  today_open: ["not yet counted", "ще не зараховано", "ещё не засчитано"],
  keep_until: ["play by {date} to keep it", "зіграйте до {date}, щоб зберегти", "сыграйте до {date}, чтобы сохранить"],
  buy_freeze: ["Buy a freeze for {price}", "Купити заморозку за {price}", "Купить заморозку за {price}"],
  quests: ["Quests", "Пригоди", "Приключения"],
  no_quests: ["The programme has no quests.", "У програмі немає пригод.", "В программе нет приключений."],
  done_of: ["{n} of {max}", "{n} з {max}", "{n} из {max}"],
  open_cell: ["Open", "Відкрити", "Открыть"],
  taken: ["taken", "отримано", "получено"],

  missions: ["Missions", "Місії", "Миссии"],
  no_missions: ["The programme has no missions.", "У програмі немає місій.", "В программе нет миссий."],
  claim: ["Collect", "Забрати", "Забрать"],
  join: ["Join", "Приєднатися", "Вступить"],
  in_progress: ["in progress", "триває", "идёт"],
  available: ["open", "відкрито", "открыто"],
  completed: ["completed", "виконано", "выполнено"],
  locked: ["locked", "закрито", "закрыто"],
  expired: ["expired", "час збіг", "время вышло"],
  missed: ["missed", "пропущено", "пропущено"],

  tournaments: ["Tournaments", "Турніри", "Турниры"],
  no_tournaments: ["No tournament is running.", "Турнірів зараз немає.", "Турниров сейчас нет."],
  rank: ["Rank", "Місце", "Место"],
  player: ["Player", "Гравець", "Игрок"],
  score: ["Score", "Рахунок", "Счёт"],
  somebody: ["somebody", "хтось", "кто-то"],
  you: ["you", "ви", "вы"],
  my_rank: ["You are number {n} of {of}", "Ваше місце: {n} з {of}", "Ваше место: {n} из {of}"],
  place: ["place {n}", "місце {n}", "место {n}"],
  not_ranked: ["You have no score yet", "У вас ще немає рахунку", "У вас ещё нет счёта"],
  no_rows: ["Nobody has a score yet.", "Рахунку ще ніхто не має.", "Счёта ещё ни у кого нет."],
  ends: ["ends {date}", "до {date}", "до {date}"],
  ended: ["ended {date}", "завершено {date}", "завершено {date}"],
  tier: ["tier {name}", "ліга: {name}", "лига: {name}"],
  register: ["Take part", "Узяти участь", "Участвовать"],
  register_for: ["Take part for {price}", "Узяти участь за {price}", "Участвовать за {price}"],
  withdraw: ["Withdraw", "Відмовитися", "Отказаться"],
  registered: ["You take part", "Ви берете участь", "Вы участвуете"],
  pending_approval: ["Waits for approval", "Чекає на підтвердження", "Ждёт подтверждения"],

  store: ["Store", "Крамниця", "Магазин"],
  no_store: ["The store is empty.", "Крамниця порожня.", "Магазин пуст."],
  reward_spins: ["spins", "оберти", "вращения"],
  reward_tickets: ["raffle tickets", "квитки лотереї", "билеты лотереи"],
  reward_freezes: ["freezes", "заморозки", "заморозки"],
  buy: ["Buy", "Купити", "Купить"],
  buy_named: ["Buy: {name}", "Купити: {name}", "Купить: {name}"],
  stock_of: ["{n} in all", "усього {n}", "всего {n}"],
  left_day: ["{n} more today", "сьогодні ще {n}", "сегодня ещё {n}"],
  left_week: ["{n} more this week", "цього тижня ще {n}", "на этой неделе ещё {n}"],
  left_month: ["{n} more this month", "цього місяця ще {n}", "в этом месяце ещё {n}"],
  left_ever: ["{n} for you", "для вас: {n}", "для вас: {n}"],
  free: ["free", "безкоштовно", "бесплатно"],
  purchases: ["Last purchases", "Останні покупки", "Последние покупки"],
  purchase_asked: ["asked for", "запитано", "запрошено"],
  purchase_granting: ["on its way", "в дорозі", "в пути"],
  purchase_granted: ["yours", "ваше", "ваше"],
  purchase_failed: ["came to nothing, paid back", "не вийшло, кошти повернуто", "не вышло, оплата возвращена"],
  purchase_refunded: ["given back", "повернуто", "возвращено"],
  no_purchases: ["Nothing bought yet.", "Покупок ще немає.", "Покупок ещё нет."],

  spin: ["Spin", "Крутити", "Крутить"],
  spin_for: ["Spin for {price}", "Крутити за {price}", "Крутить за {price}"],
  spinning: ["The wheel turns", "Колесо крутиться", "Колесо крутится"],
  spins_left: ["Spins left: {n}", "Обертів: {n}", "Вращений: {n}"],
  no_spins: [
    "No spins left: a new one comes with the day, the streak, the store and the races",
    "Обертів немає: нові приходять щодня, за серію, у крамниці та в перегонах",
    "Вращений нет: новые приходят каждый день, за серию, в магазине и в гонках",
  ],
  no_wheel: ["The programme has no wheel.", "У програмі немає колеса.", "В программе нет колеса."],
  you_won: ["You won", "Ви виграли", "Вы выиграли"],
  you_lost: ["Not this time", "Цього разу ні", "Не в этот раз"],
  acknowledge: ["Take it", "Забрати", "Забрать"],
  given: ["It is yours.", "Це ваше.", "Это ваше."],
  wheel_says: ["Prizes and their chances: {list}", "Призи та їхні шанси: {list}", "Призы и их шансы: {list}"],

  verify: ["Verify the draws", "Перевірити розіграші", "Проверить розыгрыши"],
  proof_text: [
    "Before you spin, the engine shows the SHA-256 of a secret seed. Each draw is HMAC-SHA256 of that seed with your own word and a count. The seed is shown when it is used up; then anybody can do the sums again. This page does them in your browser.",
    "До оберту рушій показує SHA-256 таємного числа. Кожен розіграш - це HMAC-SHA256 цього числа, вашого слова і лічильника. Коли число відслужило, його показують, і кожен може перерахувати. Ця сторінка рахує у вашому браузері.",
    "До вращения движок показывает SHA-256 тайного числа. Каждый розыгрыш - это HMAC-SHA256 этого числа, вашего слова и счётчика. Когда число отслужило, его показывают, и каждый может пересчитать. Эта страница считает в вашем браузере.",
  ],
  commitment: ["Commitment", "Зобов'язання", "Обязательство"],
  commitment_next: ["Of the next spin", "Наступного оберту", "Следующего вращения"],
  last_draw: ["Your last draw", "Ваш останній розіграш", "Ваш последний розыгрыш"],
  client_seed: ["Your word", "Ваше слово", "Ваше слово"],
  check: ["Check it here", "Перевірити тут", "Проверить здесь"],
  reveal: ["Show the seed", "Показати число", "Показать число"],
  seed: ["Seed", "Таємне число", "Тайное число"],
  proof_good: [
    "The seed is the one that was committed to, and it draws {prize}.",
    "Це те число, на яке було зобов'язання, і воно дає: {prize}.",
    "Это то число, на которое было обязательство, и оно даёт: {prize}.",
  ],
  proof_bad: ["It does not come out: {what}", "Не сходиться: {what}", "Не сходится: {what}"],
  proof_later: [
    "The seed is still in use and is shown when it is used up.",
    "Число ще в роботі; його покажуть, коли воно відслужить.",
    "Число ещё в работе; его покажут, когда оно отслужит.",
  ],

  jackpots: ["Jackpots", "Джекпоти", "Джекпоты"],
  no_jackpots: ["No jackpot is open.", "Джекпотів немає.", "Джекпотов нет."],
  must_hit_by: ["falls before {n}", "впаде до {n}", "упадёт до {n}"],
  last_hit: ["last: {amount}, {date}", "останній: {amount}, {date}", "последний: {amount}, {date}"],
  raffles: ["Raffles", "Лотереї", "Лотереи"],
  no_raffles: ["No raffle is open.", "Лотерей немає.", "Лотерей нет."],
  tickets: ["tickets: {n}", "квитків: {n}", "билетов: {n}"],
  tickets_of: ["{n} of {max} tickets", "квитків: {n} з {max}", "билетов: {n} из {max}"],
  drawn_on: ["drawn {date}", "розіграш {date}", "розыгрыш {date}"],
  won_prize: ["You won: {name}", "Ви виграли: {name}", "Вы выиграли: {name}"],

  happens: ["As it happens", "Що відбувається", "Что происходит"],
  no_deltas: ["Waiting for the first change.", "Чекаємо на першу зміну.", "Ждём первого изменения."],
  new_level: ["New level", "Новий рівень", "Новый уровень"],
  level_down: ["Down to level", "Рівень знижено", "Уровень понижен"],
  stage: ["Stage {n}", "Етап {n}", "Этап {n}"],
  done: ["Completed", "Виконано", "Выполнено"],
  reward_collected: ["Reward collected", "Нагороду отримано", "Награда получена"],
  reward_expired: ["Reward expired", "Нагорода згоріла", "Награда сгорела"],
  bought: ["Bought: {name}", "Куплено: {name}", "Куплено: {name}"],
  joined: ["You take part: {name}", "Ви берете участь: {name}", "Вы участвуете: {name}"],
};

// What a refusal's code means to a player; other codes are shown in the engine's own words.
const REFUSALS = {
  insufficient_balance: ["Not enough: it costs {price}", "Не вистачає: ціна {price}", "Не хватает: цена {price}"],
  sold_out: ["Sold out", "Розпродано", "Распродано"],
  limit_reached: ["You have had as many as there may be for now", "Поки що більше не можна", "Пока больше нельзя"],
  not_in_audience: ["Not open to you yet", "Вам ще не відкрито", "Вам ещё не открыто"],
  item_not_active: ["Not open at this time", "Зараз зачинено", "Сейчас закрыто"],
  not_for_sale: ["Not for sale", "Не продається", "Не продаётся"],
  minigame_not_active: ["Not open at this time", "Зараз зачинено", "Сейчас закрыто"],
  prizes_out: ["All prizes are out; your spin came back", "Призи закінчилися; оберт повернуто", "Призы закончились; вращение возвращено"],
  cell_opened: ["You have opened it", "Ви вже відкрили", "Вы уже открыли"],
  run_cancelled: ["This run does not take place", "Цей забіг не відбудеться", "Этот забег не состоится"],
  too_few_players: ["Too few came: this run does not take place", "Замало гравців: забіг не відбудеться", "Мало игроков: забег не состоится"],
  tournament_full: ["All seats are taken", "Місць немає", "Мест нет"],
  no_attempts: ["No spins left", "Обертів немає", "Вращений нет"],
  later: ["Not yet known; look again", "Ще невідомо; погляньте знову", "Ещё неизвестно; посмотрите снова"],
  freezes_full: ["You hold as many as there may be", "Більше тримати не можна", "Больше держать нельзя"],
};

let language = "en";

export function setLanguage(chosen) {
  language = LANGUAGES.includes(chosen) ? chosen : "en";
  return language;
}

export const currentLanguage = () => language;

const filled = (text, values) => text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
const pick = (texts) => texts[LANGUAGES.indexOf(language)] ?? texts[0];

/** The text of a key in the chosen language, with its {places} filled in. */
export const t = (key, values = {}) => filled(pick(TEXTS[key] ?? [key]), values);

/** What a refusal means, else what the engine said. */
export const refusal = (code, detail, values = {}) => (REFUSALS[code] ? filled(pick(REFUSALS[code]), values) : detail || code);

/** A text of the programme in the chosen language, else English, else the first. */
export function local(texts, fallback = "") {
  if (typeof texts === "string") return texts || plain(fallback);
  const all = texts ?? {};
  return all[language] ?? all.en ?? Object.values(all)[0] ?? plain(fallback);
}

export const plain = (id) => String(id ?? "").replaceAll(/[-_]/g, " ").replace(/^./, (first) => first.toUpperCase());
export const number = (n, digits = 2) => (Number.isFinite(n) ? new Intl.NumberFormat(language, { maximumFractionDigits: digits }).format(n) : "–");
export const moment = (at) => {
  if (!at) return "";
  const when = new Date(at);
  const near = Math.abs(when - Date.now()) < 20 * 3_600_000;
  return new Intl.DateTimeFormat(language, near ? { hour: "2-digit", minute: "2-digit" } : { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" }).format(when);
};

const UNITS = [[90, 1, "second"], [5_400, 60, "minute"], [129_600, 3_600, "hour"], [Infinity, 86_400, "day"]]; // below so many seconds, in this unit

/** How long it is until then, in the language's own words: "in 12 minutes". */
export function until(at) {
  const seconds = Math.max(0, (new Date(at) - Date.now()) / 1000);
  const [, size, unit] = UNITS.find(([below]) => seconds < below);
  return new Intl.RelativeTimeFormat(language, { numeric: "always" }).format(Math.ceil(seconds / size), unit);
}

/** The next midnight of a zone, in ms. On the two days with another length it is an hour off: then it is asked again. */
export function midnight(zone) {
  const clock = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
  let shown;
  try { shown = new Intl.DateTimeFormat("en-GB", { ...clock, timeZone: zone || "UTC" }); }
  catch { shown = new Intl.DateTimeFormat("en-GB", { ...clock, timeZone: "UTC" }); } // a zone that this browser does not know
  const [hours, minutes, seconds] = shown.format(new Date()).split(":").map(Number);
  return Date.now() + 86_400_000 - ((hours * 60 + minutes) * 60 + seconds) * 1000;
}
